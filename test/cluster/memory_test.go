package cluster

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/harness"
	"fluxworker/test/seed"
	"fluxworker/test/slurm"
)

// A job with the memory that plan --sbatch asks for answers long unrelated prompts on the new generation, whose server would keep
// them all: 130 prompts of 250 tokens have caches of 4 GiB in a model with the cache of an 8B, and the kernel holds the job to
// its memory.
func TestUnrelatedPromptsStayInTheJobsMemory(t *testing.T) {
	const rows, tokens = 130, 250
	harness.NewEngine(t, func(t *testing.T, g harness.Generation) {
		c := slurm.Start(t, slurm.Options{Nodes: 1, ConstrainMemory: true})
		dir := t.TempDir()
		random := rand.New(rand.NewPCG(seed.First(1)[0], 0))
		var input strings.Builder
		for i := range rows {
			prompt := make([]byte, tokens)
			for j := range prompt {
				prompt[j] = "abcdefghijklmnopqrstuvwxyz0123456789"[random.IntN(36)]
			}
			fmt.Fprintf(&input, `{"custom_id":"r%d","prompt":%q,"max_tokens":2}`+"\n", i, prompt)
		}
		if err := os.WriteFile(filepath.Join(dir, "in.jsonl"), []byte(input.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		script, err := c.Command(t, dir, build.Fluxworker(t), "plan", "--sbatch", "--input", "in.jsonl", "--output", "out.jsonl", "--rate", "1",
			"--model", "tiny-8b-cache", "--device", "cpu", "--context", "512", "--slots", "4", "--ollama", g.Ollama, "--ollama-models", g.Models).Output()
		if err != nil {
			t.Fatal(err)
		}
		id := c.Sbatch(t, dir, string(script))
		c.Await(t, id, "COMPLETED")
		if asked := c.Job(t, id)["MinMemoryNode"]; asked != "4G" {
			t.Errorf("the job has %s of memory, want 4G", asked)
		}
		answers, err := os.ReadFile(filepath.Join(dir, "out.jsonl"))
		if n := strings.Count(string(answers), `"status_code":200`); err != nil || n != rows {
			t.Errorf("%d answers, %v; want %d", n, err, rows)
		}
		log, _ := filepath.Glob(filepath.Join(dir, "slurm-*.out"))
		for _, path := range log {
			text, err := os.ReadFile(path)
			if err != nil || strings.Contains(string(text), "starting it again") {
				t.Errorf("a server was started again (%v):\n%s", err, text)
			}
		}
	})
}

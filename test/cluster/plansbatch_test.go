package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/harness"
	"fluxworker/test/slurm"
)

// What plan --sbatch prints is a job script as it is: SLURM takes it with what it asks for, and the job answers the rows.
func TestPlannedScriptRuns(t *testing.T) {
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		c := slurm.Start(t, slurm.Options{Nodes: 1, GPUs: 2})
		dir := t.TempDir()
		var rows strings.Builder
		for i := range 50 {
			fmt.Fprintf(&rows, `{"custom_id":"r%d","prompt":"count 3","max_tokens":4}`+"\n", i)
		}
		if err := os.WriteFile(filepath.Join(dir, "in.jsonl"), []byte(rows.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		script := func(flags ...string) string {
			t.Helper()
			args := append([]string{"plan", "--sbatch", "--input", "in.jsonl", "--output", "out's.jsonl", "--rate", "5", "--requeue"}, flags...)
			cmd := c.Command(t, dir, build.Fluxworker(t), args...)
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("plan --sbatch: %v\n%s", err, err.(*exec.ExitError).Stderr)
			}
			return string(out)
		}

		gpu := c.Command(t, dir, "sbatch", "--test-only")
		gpu.Stdin = strings.NewReader(script("--model", "llama3.2:3b", "--gpu", "2xA100-40GB", "--ollama", "nonexistent"))
		if out, err := gpu.CombinedOutput(); err != nil {
			t.Errorf("sbatch --test-only: %v\n%s", err, out)
		}

		id := c.Sbatch(t, dir, script("--model", "bigram", "--device", "cpu", "--context", "512", "--ollama", g.Ollama, "--ollama-models", g.Models))
		c.Await(t, id, "COMPLETED")
		job := c.Job(t, id)
		for field, want := range map[string]string{"TimeLimit": "00:10:00", "MinMemoryNode": "4G", "CPUs/Task": "8", "Requeue": "1"} {
			if job[field] != want {
				t.Errorf("the job has %s=%s, want %s", field, job[field], want)
			}
		}
		answers, err := os.ReadFile(filepath.Join(dir, "out's.jsonl"))
		if n := strings.Count(string(answers), `"content":"4567"`); err != nil || n != 50 {
			t.Errorf("%d right answers, %v; want 50", n, err)
		}
	})
}

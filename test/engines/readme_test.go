package engines

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fluxworker/test/harness"
)

// making is held while a test builds bin/fluxworker or uses it: the others may be about to build it anew.
var making sync.Mutex

// The first command on a bare machine: the model's folder is made by the demo itself, whichever way Ollama is named.
func TestDemoMakesItsModelFolder(t *testing.T) {
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		root, err := filepath.Abs("../..")
		if err != nil {
			t.Fatal(err)
		}
		relative, err := filepath.Rel(root, g.Ollama)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string][]string{"old": {g.Ollama, relative}, "new": {"env " + g.Ollama}}
		for _, ollama := range names[g.Name] {
			engine := t.TempDir()
			making.Lock()
			cmd := exec.Command("bash", "-c", "make build && scripts/demo.sh")
			cmd.Dir = root
			cmd.Env = append(os.Environ(), "FLUXWORKER_OLLAMA="+ollama, "FLUXWORKER_ENGINE_DIR="+engine, "DEMO_DIR="+t.TempDir())
			out, err := cmd.CombinedOutput()
			making.Unlock()
			if err != nil || !strings.Contains(string(out), "200 ok, 0 failed") {
				t.Errorf("%s: %v\n%s", ollama, err, out)
			}
		}
	})
}

// Every command of the README does what it says.
func TestREADMECommands(t *testing.T) {
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		n := harness.NewNewcomer(t, g)
		root, err := filepath.Abs("../..")
		if err != nil {
			t.Fatal(err)
		}
		ran := 0
		for _, block := range harness.READMEBlocks(t, "sh") {
			for command := range strings.Lines(block) {
				command = strings.TrimSpace(command)
				t.Log(command)
				ran++
				switch {
				case strings.HasPrefix(command, "make test"): // which runs this test, or as many others
					n.Bash(root, "-c", "make -n"+strings.TrimPrefix(command, "make"))
				case strings.HasPrefix(command, "make "):
					making.Lock()
					n.Bash(root, "-c", command)
					making.Unlock()
				default:
					n.Bash(n.Dir, "-c", command)
				}
			}
		}
		if ran < 5 {
			t.Errorf("only %d commands found", ran)
		}
		n.CheckRows(20)
	})
}

// The README's job script is the one in scripts/sbatch, and it works.
func TestREADMEJobScript(t *testing.T) {
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		shown := harness.READMEBlocks(t, "bash")[0]
		script, err := os.ReadFile("../../scripts/sbatch/single-gpu.sbatch")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(shown) {
			if !strings.Contains(string(script), line) {
				t.Errorf("scripts/sbatch/single-gpu.sbatch lacks the README's line %q", line)
			}
		}
		n := harness.NewNewcomer(t, g)
		if err := os.WriteFile(n.Path("job.sbatch"), []byte(shown), 0o600); err != nil {
			t.Fatal(err)
		}
		n.Bash(n.Dir, "job.sbatch")
		n.CheckRows(20)
		n.Bash(n.Dir, "job.sbatch") // submitted again, it has nothing to do
		n.CheckRows(20)
	})
}

// The README's rows and model file are good ones.
func TestREADMEFiles(t *testing.T) {
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		n := harness.NewNewcomer(t, g)
		var rows []string
		for _, block := range harness.READMEBlocks(t, "json") {
			if strings.Contains(block, `"prompt":`) || strings.Contains(block, `"body": {"messages"`) {
				rows = append(rows, strings.Replace(strings.TrimSpace(block), "a-1", "a-"+string(rune('1'+len(rows))), 1))
			}
		}
		if len(rows) != 2 {
			t.Fatalf("found %d example rows, want 2", len(rows))
		}
		n.Write(rows...)
		if err := os.WriteFile(n.Path("my-model.yaml"), []byte(harness.READMEBlocks(t, "yaml")[0]), 0o600); err != nil {
			t.Fatal(err)
		}
		n.Bash(n.Dir, "-c", "fluxworker validate --model-config my-model.yaml --input prompts.jsonl")
		n.Bash(n.Dir, "-c", "fluxworker run --model llama3.2:3b --model-config my-model.yaml --input prompts.jsonl --output results.jsonl")
		if got := n.Lines("results.jsonl"); len(got) != 2 {
			t.Errorf("%d answers, want 2", len(got))
		}
	})
}

package engines

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"fluxworker/test/harness"
)

// making is held while a test builds bin/fluxworker or uses it: the others may be about to build it anew.
var making sync.Mutex

// The first command on a bare machine: the model's folder is made by the demo itself, whichever way Ollama is named.
func TestDemoMakesItsModelFolder(t *testing.T) {
	t.Parallel()
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

// Every command of the README and of each page in docs works, in the order of the pages. A command that stands on several
// pages runs once. Of make's targets those for a user run; those for a contributor would run all tests, and need only exist.
func TestPageCommands(t *testing.T) {
	t.Parallel()
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		n := harness.NewNewcomer(t, g)
		root, err := filepath.Abs("../..")
		if err != nil {
			t.Fatal(err)
		}
		forUsers := regexp.MustCompile(`^make (build|demo|help|version)$`)
		ran := make(map[string]bool)
		harness.EachBlock(t, "sh", 15, func(page, block string) {
			for command := range strings.Lines(block) {
				if command = strings.TrimSpace(command); command == "" || ran[command] {
					continue
				}
				t.Log(page + ": " + command)
				ran[command] = true
				switch target, ok := strings.CutPrefix(command, "make "); {
				case !ok:
					n.Bash(n.Dir, "-c", command)
				case forUsers.MatchString(command):
					making.Lock()
					n.Bash(root, "-c", command)
					making.Unlock()
				default:
					n.Bash(root, "-c", "make -n "+target)
				}
			}
		})
		n.CheckRows(20)
	})
}

// The job scripts of the pages are the one in scripts/sbatch, and it works.
func TestPageJobScripts(t *testing.T) {
	t.Parallel()
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		script, err := os.ReadFile("../../scripts/sbatch/single-gpu.sbatch")
		if err != nil {
			t.Fatal(err)
		}
		harness.EachBlock(t, "bash", 1, func(page, shown string) {
			for line := range strings.Lines(shown) {
				if !strings.Contains(string(script), line) {
					t.Errorf("scripts/sbatch/single-gpu.sbatch lacks the line %q of %s", line, page)
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
	})
}

// The rows and the model file of the pages are good ones.
func TestPageFiles(t *testing.T) {
	t.Parallel()
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		n := harness.NewNewcomer(t, g)
		var rows []string
		harness.EachBlock(t, "json", 4, func(page, block string) {
			if strings.Contains(block, `"prompt":`) || strings.Contains(block, `"body": {"messages"`) {
				rows = append(rows, strings.Replace(strings.TrimSpace(block), "a-1", "a-"+string(rune('1'+len(rows))), 1))
			}
		})
		if len(rows) != 3 {
			t.Fatalf("found %d example rows, want 3", len(rows))
		}
		n.Write(rows...)
		harness.EachBlock(t, "yaml", 1, func(page, block string) {
			if err := os.WriteFile(n.Path("my-model.yaml"), []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			n.Bash(n.Dir, "-c", "fluxworker validate --model-config my-model.yaml --input prompts.jsonl")
			n.Bash(n.Dir, "-c", "fluxworker run --model llama3.2:3b --model-config my-model.yaml --input prompts.jsonl --output results.jsonl --on-change rerun")
			if got := n.Lines("results.jsonl"); len(got) != len(rows) {
				t.Errorf("%s: %d answers, want %d", page, len(got), len(rows))
			}
		})
	})
}

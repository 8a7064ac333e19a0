package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"fluxworker/test/slurm"
)

// making is held while a test builds bin/fluxworker or uses it: the others may be about to build it anew.
var making sync.Mutex

// blocks returns the README's fenced blocks of one language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		found = append(found, m[1])
	}
	if len(found) == 0 {
		t.Fatalf("the README has no block of %s", language)
	}
	return found
}

// newcomer is a folder as a reader of the README has it: prompts, fluxworker in PATH, and a server that knows the model
// of the examples. That model is the tiny one under another name, on the CPU.
type newcomer struct{ *job }

func newNewcomer(t *testing.T, g generation) *newcomer {
	t.Helper()
	n := &newcomer{newJob(t, g)}
	n.writeRows(20)
	bin := filepath.Join(n.dir, "bin")
	models := filepath.Join(n.dir, "models")
	library := filepath.Join(models, "manifests", "registry.ollama.ai", "library")
	manifest, err := os.ReadFile(filepath.Join(g.models, "manifests", "registry.ollama.ai", "library", "bigram", "latest"))
	for _, step := range []error{
		err,
		os.Mkdir(bin, 0o755),
		os.Symlink(binary, filepath.Join(bin, "fluxworker")),
		os.MkdirAll(filepath.Join(library, "llama3.2"), 0o755),
		os.WriteFile(filepath.Join(library, "llama3.2", "3b"), manifest, 0o600),
		os.Symlink(filepath.Join(g.models, "blobs"), filepath.Join(models, "blobs")),
		os.WriteFile(n.path("papers.csv"), []byte("doi,title,full text\n10.1000/1,A title,\"Some text,\nin two lines\"\n"), 0o600),
		os.Mkdir(n.path("letters"), 0o755),
		os.WriteFile(n.path("letters/first.txt"), []byte("Dear reader\n"), 0o600),
		os.Symlink(filepath.Join(g.files, "bigram.gguf"), filepath.Join(n.dir, "my-model.gguf")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	n.env = []string{n.mark, "PATH=" + bin + ":" + os.Getenv("PATH"), "FLUXWORKER_OLLAMA=" + g.ollama,
		"OLLAMA_MODELS=" + models, "FLUXWORKER_DEVICE=cpu"}
	return n
}

func (n *newcomer) bash(dir string, args ...string) {
	n.t.Helper()
	cmd := exec.Command("bash", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), n.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Errorf("%q: %v\n%s", args, err, out)
	}
}

// The first command on a bare machine: the model's folder is made by the demo itself, whichever way Ollama is named.
func TestDemoMakesItsModelFolder(t *testing.T) {
	eachEngine(t, func(t *testing.T, g generation) {
		root, err := filepath.Abs("../..")
		if err != nil {
			t.Fatal(err)
		}
		relative, err := filepath.Rel(root, g.ollama)
		if err != nil {
			t.Fatal(err)
		}
		for _, ollama := range []string{g.ollama, relative, "env " + g.ollama} {
			engine := t.TempDir()
			making.Lock()
			cmd := exec.Command("bash", "-c", "make build && scripts/demo.sh")
			cmd.Dir = root
			cmd.Env = append(os.Environ(), "FLUXWORKER_OLLAMA="+ollama, "FLUXWORKER_ENGINE_DIR="+engine)
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
	oneEngine(t, func(t *testing.T, g generation) {
		n := newNewcomer(t, g)
		root, err := filepath.Abs("../..")
		if err != nil {
			t.Fatal(err)
		}
		ran := 0
		for _, block := range blocks(t, "sh") {
			for command := range strings.Lines(block) {
				command = strings.TrimSpace(command)
				t.Log(command)
				ran++
				switch {
				case command == "make test":
					n.bash(root, "-c", "make -n test") // it is what runs this
				case strings.HasPrefix(command, "make "):
					making.Lock()
					n.bash(root, "-c", command)
					making.Unlock()
				default:
					n.bash(n.dir, "-c", command)
				}
			}
		}
		if ran < 5 {
			t.Errorf("only %d commands found", ran)
		}
		n.checkRows(20)
	})
}

// The README's job script is the one in scripts/sbatch, and it works.
func TestREADMEJobScript(t *testing.T) {
	eachEngine(t, func(t *testing.T, g generation) {
		shown := blocks(t, "bash")[0]
		script, err := os.ReadFile("../../scripts/sbatch/single-gpu.sbatch")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(shown) {
			if !strings.Contains(string(script), line) {
				t.Errorf("scripts/sbatch/single-gpu.sbatch lacks the README's line %q", line)
			}
		}
		n := newNewcomer(t, g)
		if err := os.WriteFile(n.path("job.sbatch"), []byte(shown), 0o600); err != nil {
			t.Fatal(err)
		}
		n.bash(n.dir, "job.sbatch")
		n.checkRows(20)
		n.bash(n.dir, "job.sbatch") // submitted again, it has nothing to do
		n.checkRows(20)
	})
}

// Every command of the README's section about clusters does what it says, on one. Each block stands for itself.
func TestREADMECommandsOnACluster(t *testing.T) {
	oneEngine(t, func(t *testing.T, g generation) {
		c := slurm.Start(t, slurm.Options{Nodes: 1, GPUs: 2, CPUs: 64, MemoryMB: 512_000})
		ran := 0
		for _, block := range blocks(t, "console") {
			u := newClusterUser(t, c, g, scriptRows)
			u.hurry()
			if !strings.Contains(block, "$ sbatch") && !strings.Contains(block, "$ bash") { // it looks at what a job has done
				u.submit(single)
			}
			for _, m := range regexp.MustCompile(`(?m)^\$ (.*)$`).FindAllStringSubmatch(block, -1) {
				u.await("an empty queue", func() bool { return u.sh(0, "squeue", "--noheader") == "" })
				u.sh(0, "bash", "-c", m[1])
				ran++
			}
			u.checkRows(scriptRows)
		}
		if ran < 9 {
			t.Errorf("only %d commands found", ran)
		}
	})
}

// The README's rows and model file are good ones.
func TestREADMEFiles(t *testing.T) {
	oneEngine(t, func(t *testing.T, g generation) {
		n := newNewcomer(t, g)
		var rows []string
		for _, block := range blocks(t, "json") {
			if strings.Contains(block, `"prompt":`) || strings.Contains(block, `"body": {"messages"`) {
				rows = append(rows, strings.Replace(strings.TrimSpace(block), "a-1", "a-"+string(rune('1'+len(rows))), 1))
			}
		}
		if len(rows) != 2 {
			t.Fatalf("found %d example rows, want 2", len(rows))
		}
		n.write(rows...)
		if err := os.WriteFile(n.path("my-model.yaml"), []byte(blocks(t, "yaml")[0]), 0o600); err != nil {
			t.Fatal(err)
		}
		n.bash(n.dir, "-c", "fluxworker validate --model-config my-model.yaml --input prompts.jsonl")
		n.bash(n.dir, "-c", "fluxworker run --model llama3.2:3b --model-config my-model.yaml --input prompts.jsonl --output results.jsonl")
		if got := n.lines("results.jsonl"); len(got) != 2 {
			t.Errorf("%d answers, want 2", len(got))
		}
	})
}

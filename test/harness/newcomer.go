package harness

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fluxworker/worker/parquet"
)

// Newcomer is a folder as a reader of the README has it: prompts, fluxworker in PATH, and a server that knows the model of
// the examples. That model is the test model under another name, on the CPU.
type Newcomer struct{ *Job }

// NewNewcomer makes the folder, with an input of 20 rows.
func NewNewcomer(t *testing.T, g Generation) *Newcomer {
	t.Helper()
	n := &Newcomer{g.NewJob(t)}
	n.WriteRows(20)
	bin := n.Path("bin")
	models := n.Path("models")
	library := filepath.Join(models, "manifests", "registry.ollama.ai", "library")
	manifest, err := os.ReadFile(filepath.Join(g.Models, "manifests", "registry.ollama.ai", "library", "bigram", "latest"))
	for _, step := range []error{
		err,
		os.Mkdir(bin, 0o755),
		os.Symlink(n.Binary, filepath.Join(bin, "fluxworker")),
		os.MkdirAll(filepath.Join(library, "llama3.2"), 0o755),
		os.WriteFile(filepath.Join(library, "llama3.2", "3b"), manifest, 0o600),
		os.Symlink(filepath.Join(g.Models, "blobs"), filepath.Join(models, "blobs")),
		os.WriteFile(n.Path("papers.csv"), []byte("doi,title,full text\n10.1000/1,A title,\"Some text,\nin two lines\"\n"), 0o600),
		os.WriteFile(n.Path("studies.jsonl"), []byte(`{"doi":"10.1000/1","title":"A title","authors":["A. Author","B. Other"]}`+"\n"), 0o600),
		os.WriteFile(n.Path("question.txt"), []byte("Which field is this paper from?\n{{.title}}\n{{index . \"full text\"}}\n"), 0o600),
		os.WriteFile(n.Path("facts.json"), []byte(`{"type":"object","required":["field","experiment"],"properties":{"field":{"enum":["physics","biology"]},"experiment":{"type":"boolean"}}}`), 0o600),
		writeParquet(n.Path("data/train-0.parquet")),
		os.Mkdir(n.Path("letters"), 0o755),
		os.WriteFile(n.Path("letters/first.txt"), []byte("Dear reader\n"), 0o600),
		os.Symlink(filepath.Join(g.Files, "bigram.gguf"), n.Path("my-model.gguf")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	n.Env = []string{n.mark, "PATH=" + bin + ":" + os.Getenv("PATH"), "FLUXWORKER_OLLAMA=" + g.Ollama,
		"OLLAMA_MODELS=" + models, "FLUXWORKER_DEVICE=cpu", "DEMO_DIR=" + n.Path("demo")}
	return n
}

// writeParquet writes a table with one row.
func writeParquet(path string) error {
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := parquet.NewWriter(file, []parquet.Column{{Name: "text", Type: parquet.Text}}, nil, nil)
	return errors.Join(w.Write(0, []json.RawMessage{[]byte(`"say x"`)}), w.Close(), file.Close())
}

// Bash runs bash in a folder, and demands that it succeeds.
func (n *Newcomer) Bash(dir string, args ...string) {
	n.T.Helper()
	cmd := exec.Command("bash", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), n.Env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		n.T.Errorf("%q: %v\n%s", args, err, out)
	}
}

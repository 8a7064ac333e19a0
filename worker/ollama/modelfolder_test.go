package ollama

import (
	"os"
	"path/filepath"
	"testing"
)

// A model is in a folder by the name of its manifest, in any spelling that Ollama takes.
func TestHasModel(t *testing.T) {
	folder := t.TempDir()
	for _, manifest := range []string{"registry.ollama.ai/library/llama3.2/3b", "registry.ollama.ai/Someone/mine/latest", "localhost:5000/a/b/c"} {
		path := filepath.Join(folder, "manifests", manifest)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{
		"llama3.2:3b": true, "Llama3.2:3B": true, "library/llama3.2:3b": true, "registry.ollama.ai/library/llama3.2:3b": true,
		"llama3.2": false, "llama3.2:1b": false, "llama3": false,
		"someone/mine": true, "someone/mine:latest": true, "mine": false,
		"localhost:5000/a/b:c": true, "localhost:5001/a/b:c": false, "": false,
	} {
		if got := HasModel(folder, name); got != want {
			t.Errorf("%q is there: %t, want %t", name, got, want)
		}
	}
	if HasModel(filepath.Join(folder, "none"), "llama3.2:3b") {
		t.Error("a folder that is not there has a model")
	}
}

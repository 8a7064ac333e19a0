package ollama

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// The files of a model are the blobs of its manifest.
func TestModelFiles(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "manifests", "registry.ollama.ai", "library", "m")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	for tag, manifest := range map[string]string{
		"latest":  `{"config":{"digest":"sha256:c0"},"layers":[{"digest":"sha256:aa","size":1},{"digest":"sha256:bb"}]}`,
		"outside": `{"config":{"digest":"sha256:c0"},"layers":[{"digest":"../../aa"}]}`,
		"torn":    `{"config":`,
	} {
		if err := os.WriteFile(filepath.Join(path, tag), []byte(manifest), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	blob := func(name string) string { return filepath.Join(folder, "blobs", name) }
	files, err := ModelFiles(folder, "M")
	if want := []string{blob("sha256-aa"), blob("sha256-bb"), blob("sha256-c0")}; err != nil || !slices.Equal(files, want) {
		t.Errorf("files are %q (%v), want %q", files, err, want)
	}
	for name, want := range map[string]string{"m:outside": "is no digest", "m:torn": "read manifest", "m:none": "find model m:none in "} {
		if files, err := ModelFiles(folder, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: files are %q, error %v, want an error with %q", name, files, err, want)
		}
	}
}

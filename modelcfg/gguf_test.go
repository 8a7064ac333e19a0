package modelcfg

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestModelThatIsAFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := write("own.yaml", "name: custom:mine\ngguf: weights/m.gguf\ngguf_projector: /models/mmproj.gguf\nollama: NA\n")
	m, warnings, err := Resolve("", path)
	if err != nil || len(warnings) > 0 || m.GGUF != filepath.Join(dir, "weights/m.gguf") || m.GGUFProjector != "/models/mmproj.gguf" ||
		m.Tag() != "custom:mine" {
		t.Errorf("%+v, %v, %v", m, warnings, err)
	}
	// The file is a fact of the model that the YAML was written for, and not of another one.
	if m, _, err := Resolve("llama3.2:3b", path); err != nil || m.GGUF != "" {
		t.Errorf("with another name: %+v, %v", m, err)
	}

	m, warnings, err = ResolveFile("custom:mine", path, "/tmp/other.gguf", "")
	if err != nil || len(warnings) > 0 || m.GGUF != "/tmp/other.gguf" || m.GGUFProjector != "/models/mmproj.gguf" {
		t.Errorf("the flag's file: %+v, %v, %v", m, warnings, err)
	}
	// Neither a model that is not in Ollama's library needs a tag, nor is one asked by that of the library.
	for _, name := range []string{"phi3:small", "llama3.2-vision:8b", "nobody-knows-it"} {
		m, warnings, err := ResolveFile(name, "", "/tmp/m.gguf", "")
		if err != nil || m.Tag() != name || len(warnings) > 0 {
			t.Errorf("%s: %+v, %v, %v", name, m, warnings, err)
		}
	}
	var none *NoTagError
	if _, _, err := Resolve("phi3:small", ""); !errors.As(err, &none) {
		t.Errorf("without a file: %v, want a NoTagError", err)
	}
}

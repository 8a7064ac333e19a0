package harness

import (
	"os"
	"path/filepath"
	"testing"

	"fluxworker/test/build"
)

// Generation is one of the two kinds of Ollama that clusters have.
type Generation struct {
	Name   string // "old" or "new"
	Ollama string // its program
	Models string // folder that holds the test models
	Files  string // folder with their GGUF files
}

// EachEngine runs a test on both real engines. Where one is missing the test is skipped or, in CI, fails. Only the new
// generation may be missing in CI, since Debian sid cannot be reached everywhere; "make engine" has then said so.
func EachEngine(t *testing.T, test func(t *testing.T, g Generation)) {
	onEngine(t, "old", test)
	onEngine(t, "new", test)
}

// OldEngine runs a test that does not depend on the engine, on the old generation.
func OldEngine(t *testing.T, test func(t *testing.T, g Generation)) { onEngine(t, "old", test) }

// NewEngine runs a test on the new generation alone.
func NewEngine(t *testing.T, test func(t *testing.T, g Generation)) { onEngine(t, "new", test) }

func onEngine(t *testing.T, name string, test func(t *testing.T, g Generation)) {
	dir := EngineDir(t)
	g := Generation{Name: name, Ollama: filepath.Join(dir, name[:1], "bin", "ollama"), Models: filepath.Join(dir, "models"), Files: filepath.Join(dir, "gguf")}
	t.Run(name, func(t *testing.T) {
		if _, err := os.Stat(g.Ollama); err != nil {
			if name == "old" {
				build.Missing(t, "no real engine: %v; run make engine", err)
			}
			t.Skipf("THE NEW GENERATION IS NOT TESTED: %v; run make engine", err)
		}
		t.Parallel()
		test(t, g)
	})
}

// EngineDir returns the folder that "make engine" fills: FLUXWORKER_ENGINE_DIR, or .cache/engine of the repository.
func EngineDir(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("FLUXWORKER_ENGINE_DIR"); dir != "" {
		return dir
	}
	dir, err := filepath.Abs("../../.cache/engine")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// NewJob makes a job whose server is this Ollama.
func (g Generation) NewJob(t *testing.T, args ...string) *Job {
	t.Helper()
	j := New(t)
	j.UseEngine(g)
	j.Args = append(j.Args, args...)
	return j
}

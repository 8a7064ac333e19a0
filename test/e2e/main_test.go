package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"fluxworker/test/fakeollama"
)

// binary is the fluxworker under test: built by TestMain as a user would build it.
var binary string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == frontCommand {
		os.Exit(serveFront(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == standInCommand {
		os.Args = os.Args[1:]
		os.Exit(fakeollama.Main())
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fluxworker-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "fluxworker")
	build := exec.Command("go", "build", "-o", binary, "fluxworker/cmd/fluxworker")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build fluxworker: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// generation is one of the two kinds of Ollama that clusters have.
type generation struct {
	name   string
	ollama string // its program
	models string // folder that holds the tiny models
	files  string // folder with their GGUF files
	rows   int    // for the long test
}

// eachEngine runs a test on every real engine. Where there is none it says why and, in CI, fails: the suite must not
// become green by testing nothing. Only the new generation may be missing, since Debian sid cannot be reached
// everywhere; "make engine" has then said so.
func eachEngine(t *testing.T, test func(t *testing.T, g generation)) {
	onEngines(t, []generation{{name: "old", ollama: "o", rows: 2000}, {name: "new", ollama: "n", rows: 500}}, test)
}

// oneEngine is for what does not depend on the engine.
func oneEngine(t *testing.T, test func(t *testing.T, g generation)) {
	onEngines(t, []generation{{name: "old", ollama: "o"}}, test)
}

// skip says why a test cannot run here, and in CI fails.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func onEngines(t *testing.T, generations []generation, test func(t *testing.T, g generation)) {
	if testing.Short() {
		t.Skip("-short: needs a real engine")
	}
	engine, err := filepath.Abs("../../.cache/engine")
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("FLUXWORKER_ENGINE_DIR"); dir != "" {
		engine = dir
	}
	for _, g := range generations {
		t.Run(g.name, func(t *testing.T) {
			g.ollama = filepath.Join(engine, g.ollama, "bin", "ollama")
			g.models = filepath.Join(engine, "models")
			g.files = filepath.Join(engine, "gguf")
			if _, err := os.Stat(g.ollama); err != nil {
				if os.Getenv("CI") == "true" && g.name == "old" {
					t.Fatalf("no real engine: %v; run make engine", err)
				}
				t.Skipf("THE %s GENERATION IS NOT TESTED: %v; run make engine", g.name, err)
			}
			t.Parallel()
			test(t, g)
		})
	}
}

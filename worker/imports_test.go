package worker

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The import graph in docs/architecture.md equals that of the code.
func TestArchitecturePageShowsTheImports(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...", "../batcher")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		from, imports := strings.TrimPrefix(fields[0], "fluxworker/"), []string(nil)
		for _, to := range fields[1:] {
			if own, ok := strings.CutPrefix(to, "fluxworker/"); ok {
				imports = append(imports, strings.TrimPrefix(own, "worker/"))
			}
		}
		if len(imports) == 0 {
			continue
		}
		want := strings.Join(imports, " ")
		shown := false
		for line := range strings.Lines(string(page)) {
			name, rest, _ := strings.Cut(line, " ")
			shown = shown || name == from && strings.TrimSpace(rest) == want
		}
		if !shown {
			t.Errorf("docs/architecture.md does not show the imports of %s: %s", from, want)
		}
	}
}

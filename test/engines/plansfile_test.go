package engines

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/harness"
)

// planned is what the tests read of a plan.
type planned struct {
	Slots       int
	RuleOfThumb bool `json:"rule_of_thumb"`
	Servers     []struct {
		Slots int
		Terms []struct {
			Name  string
			Bytes int64
		}
	}
}

// memory is what a server takes by the plan, less the weights: a model folder has a few small files more.
func (p planned) memory() map[string]int64 {
	terms := make(map[string]int64)
	for _, t := range p.Servers[0].Terms {
		if t.Name != "weights" {
			terms[t.Name] = t.Bytes
		}
	}
	return terms
}

func planOf(t *testing.T, args ...string) planned {
	t.Helper()
	cmd := exec.Command(build.Fluxworker(t), append([]string{"plan", "--json", "--gpu", "A100-80GB", "--context", "4096", "--log-level", "error"}, args...)...)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	var p planned
	if err == nil {
		err = json.Unmarshal(out, &p)
	}
	if err != nil || len(p.Servers) == 0 {
		t.Fatalf("plan %v: %v\n%s", args, err, out)
	}
	return p
}

// What each architecture needs is read from its metadata, and is the same whether Ollama tells it or the file does.
func TestArchitecturesArePlanned(t *testing.T) {
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		for _, m := range tinies {
			t.Run(m.name, func(t *testing.T) {
				file := filepath.Join(g.Files, m.name+".gguf")
				args := []string{"--gguf", file, "--ollama", "/nosuch/ollama"}
				split := strings.HasSuffix(m.name, "-vision")
				if split {
					args = append(args, "--gguf-projector", filepath.Join(g.Files, m.name+".mmproj.gguf"))
				}
				byFile := planOf(t, args...)
				byOllama := planOf(t, "--model", m.name, "--ollama", g.Ollama, "--ollama-models", g.Models)
				want := 64 // what is taken at most where nothing says another number
				if m.architecture == "mllama" {
					want = 4 // servers, of one slot each
				}
				for from, p := range map[string]planned{"the file": byFile, "Ollama": byOllama} {
					if p.Slots != want || p.RuleOfThumb {
						t.Errorf("by %s: %d slots, rule of thumb %t; want %d slots", from, p.Slots, p.RuleOfThumb, want)
					}
				}
				if _, window := byFile.memory()["sliding-window cache"]; window != (m.architecture == "gemma3") {
					t.Errorf("a sliding window: %t", window)
				}
				if split && g.Name == "old" {
					// Its llama.cpp gives layers with a window the whole context; the file's plan is for the new generation.
					if _, window := byOllama.memory()["sliding-window cache"]; window {
						t.Error("a sliding window where the old generation has none")
					}
					return
				}
				inFile, inOllama := byFile.memory(), byOllama.memory()
				if m.oldOwn && m.sees {
					// The embedding has more rows than there are tokens, for the sake of one engine, and they count in the file.
					delete(inFile, "compute buffer")
					delete(inOllama, "compute buffer")
				}
				if !reflect.DeepEqual(inFile, inOllama) {
					t.Errorf("by the file %v, by Ollama %v", inFile, inOllama)
				}
			})
		}
	})
}

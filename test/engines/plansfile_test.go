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

// The needs of each architecture follow from its metadata, and are the same whether Ollama or the file gives the metadata.
func TestArchitecturesArePlanned(t *testing.T) {
	t.Parallel()
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
				inFile, inOllama := byFile.memory(), byOllama.memory()
				if g.Name == "old" {
					// The plan of a file alone is for the new generation. The runners of the old one have other buffers, and its
					// llama.cpp, which takes a projector apart from the model, gives layers with a window the whole context.
					if inFile["KV cache"] != inOllama["KV cache"] {
						t.Errorf("KV cache: %d by the file, %d by Ollama", inFile["KV cache"], inOllama["KV cache"])
					}
					if window := "sliding-window cache"; split && inOllama[window] < inFile[window] {
						t.Errorf("%s: %d by Ollama, less than %d by the file", window, inOllama[window], inFile[window])
					}
					return
				}
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

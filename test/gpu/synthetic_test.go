package gpu

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/gpu/synthetic"
	"fluxworker/test/harness"
)

// planned is what the tests read of a plan.
type planned struct {
	Slots       int
	Ubatch      int64
	RuleOfThumb bool `json:"rule_of_thumb"`
	Isolated    bool
	Servers     []struct {
		Slots int64
		Terms []struct {
			Name  string
			Bytes int64
		}
	}
}

func planOf(t *testing.T, args ...string) planned {
	t.Helper()
	cmd := exec.Command(build.Fluxworker(t), append([]string{"plan", "--json", "--log-level", "error"}, args...)...)
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

// The planner knows the synthetic models: the terms of a full model are those that its numbers give by hand.
func TestSyntheticModelsArePlanned(t *testing.T) {
	const context, tokenBytes = 4096, 2 // of an f16 number
	for _, s := range synthetic.Shapes() {
		t.Run(s.Name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), s.Name+".gguf")
			if err := s.WriteHeader(file); err != nil {
				t.Fatal(err)
			}
			p := planOf(t, "--gguf", file, "--gpu", "24GB", "--context", "4096", "--ollama", "/nosuch/ollama")
			slots := p.Servers[0].Slots
			if p.RuleOfThumb || slots < 2 {
				t.Fatalf("%d slots, rule of thumb %t; want two slots or more by the architecture", slots, p.RuleOfThumb)
			}
			all, host := s.TensorBytes()
			layer := int64(s.KVHeads*2*s.HeadSize) * tokenBytes // of one token
			want := map[string]int64{"KV cache": slots * context * int64(s.Layers) * layer}
			switch {
			case s.Window > 0: // five of six layers keep the window and a ubatch
				want["KV cache"] /= 6
				want["sliding-window cache"] = slots * (int64(s.Window) + p.Ubatch) * int64(s.Layers*5/6) * layer
			case s.Attention != nil:
				recurrent := int64(s.Layers - len(s.Attention))
				want["KV cache"] = slots * context * int64(len(s.Attention)) * layer
				m := s.State
				want["state"] = slots * recurrent * int64((m.Kernel-1)*(m.Inner+2*m.Groups*m.Size)+m.Size*m.Inner) * 4
			}
			got := make(map[string]int64)
			for _, term := range p.Servers[0].Terms {
				got[term.Name] = term.Bytes
			}
			for name, bytes := range want {
				if got[name] != bytes {
					t.Errorf("%s: %d bytes, want %d", name, got[name], bytes)
				}
			}
			for _, name := range []string{"sliding-window cache", "state"} {
				if got[name] != want[name] {
					t.Errorf("%s: %d bytes, want %d", name, got[name], want[name])
				}
			}
			const metadata = 16 << 20 // the vocabulary is in the file, too
			if w := got["weights"]; w < all-host || w > all-host+metadata {
				t.Errorf("weights: %d bytes, want %d and at most %d of metadata", w, all-host, metadata)
			}
		})
	}
}

// Both engines load the models and answer rows. The models have their real width here, and few layers and tokens.
func TestSyntheticModelsAnswer(t *testing.T) {
	const rows, vocabulary = 2, 1024
	layers := map[string]int{"8b": 1, "hybrid": 2, "window": 6} // one of each kind: the sixth layer has no window
	for _, s := range synthetic.Shapes() {
		t.Run(s.Name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), s.Name+".gguf")
			if err := s.Reduced(layers[s.Name], vocabulary).Write(file); err != nil {
				t.Fatal(err)
			}
			harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
				j := newJob(t, g, file, "--device", "cpu", "--context", "512", "--slots", "2", "--max-tokens", "8")
				onOneCPU(j)
				writeRows(j, rows, 20)
				j.Run(0)
				if s := summaryOf(j, rows); s.TokensOut < rows {
					t.Errorf("%d tokens were written, want %d and more", s.TokensOut, rows)
				}
			})
		})
	}
}

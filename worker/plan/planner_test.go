package plan

import (
	"testing"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/modelcfg"
	"fluxworker/worker/ollama"
)

// The plan follows the server's generation and the model's own parameters.
func TestPlanFollowsTheServer(t *testing.T) {
	t.Parallel()
	metadata := func(family string) map[string]any {
		return map[string]any{"general.architecture": family, family + ".block_count": 12.0, family + ".embedding_length": 1024.0,
			family + ".attention.head_count": 8.0, family + ".attention.head_count_kv": 8.0, family + ".attention.sliding_window": 512.0,
			family + ".context_length": 8192.0, family + ".vocab_size": 32000.0, family + ".nextn_predict_layers": 1.0,
			family + ".ssm.inner_size": 2048.0, family + ".ssm.state_size": 128.0}
	}
	text := []string{"completion"}
	for _, tt := range []struct {
		name        string
		info        ollama.Info
		request     batcher.Request
		term        string
		bytes       int64 // of the term for one slot of 4096 tokens
		ubatch      int
		description string
	}{
		{"a window cache of the new generation", ollama.Info{Version: "0.34.3", Metadata: metadata("gemma3"), Capabilities: text, Ubatch: 512},
			batcher.Request{}, "sliding-window cache", (512 + 512) * 10 * 8 * 256 * 2, 512, "10 of 11 layers have the window; the 12th drafts"},
		{"of the llama.cpp runner", ollama.Info{Version: "0.24.0", Metadata: metadata("gemma3"), Capabilities: text, Projector: true},
			batcher.Request{Ubatch: 1024}, "sliding-window cache", 4096 * 10 * 8 * 256 * 2, 1024, "it keeps windows in full size"},
		{"the user's ubatch before the model's", ollama.Info{Version: "0.34.3", Metadata: metadata("gemma3"), Capabilities: text, Ubatch: 512},
			batcher.Request{Ubatch: 1024}, "sliding-window cache", (512 + 1024) * 10 * 8 * 256 * 2, 1024, ""},
		{"a model that drafts", ollama.Info{Version: "0.34.3", Metadata: metadata("qwen35"), Capabilities: text, Drafts: 3},
			batcher.Request{}, "state", 4 * 9 * 2048 * 128 * 4, 2048, "four copies of the state of 9 of 11 layers"},
		{"a model whose embedding stays in host memory", ollama.Info{Version: "0.34.3", Metadata: metadata("gemma3"), Capabilities: text, HostBytes: 100 << 20},
			batcher.Request{}, "weights", 900 << 20, 2048, ""},
		{"an embedder", ollama.Info{Version: "0.34.3", Metadata: metadata("gemma3"), Capabilities: []string{"embedding"}},
			batcher.Request{Context: 1024}, "KV cache", 1024 * 8 * 256 * 2, 1024, "a ubatch holds a prompt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.info.WeightsBytes = 1000 << 20
			tt.request.Slots = 1
			p := Planner{Model: modelcfg.Model{Name: "m"}, Request: tt.request}
			got, err := p.Plan(tt.info, []gpu.Device{{UUID: "GPU-0", Memory: gpu.Memory{Total: 24 << 30, Free: 24 << 30}}})
			if err != nil {
				t.Fatal(err)
			}
			if got.Ubatch != tt.ubatch {
				t.Errorf("ubatch %d, want %d", got.Ubatch, tt.ubatch)
			}
			for _, term := range got.Servers[0].Terms {
				if term.Name == tt.term && term.Bytes == tt.bytes {
					return
				}
			}
			t.Errorf("no %s of %d bytes (%s): %+v", tt.term, tt.bytes, tt.description, got.Servers[0].Terms)
		})
	}
}

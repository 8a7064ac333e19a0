package ollama

import (
	"testing"

	"github.com/ollama/ollama/api"
)

func TestHostBytes(t *testing.T) {
	t.Parallel()
	// The embedding of Llama 3.1 8B at Q4_K_M: 281.8 MiB, as servers log it.
	embedding := api.Tensor{Name: "token_embd.weight", Type: "Q4_K", Shape: []uint64{4096, 128256}}
	unknown := api.Tensor{Name: "token_embd.weight", Type: "Q9_X", Shape: embedding.Shape}
	output := api.Tensor{Name: "output.weight", Type: "Q6_K", Shape: embedding.Shape}
	for _, tt := range []struct {
		name    string
		tensors []api.Tensor
		want    int64
	}{
		{"the output is a tensor of its own", []api.Tensor{output, embedding}, 4096 * 128256 * 144 / 256},
		{"the output is the embedding", []api.Tensor{embedding}, 0},
		{"an unknown type", []api.Tensor{unknown, output}, 0},
		{"no tensors", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := hostBytes(shownTensors(tt.tensors)); got != tt.want {
				t.Errorf("%d bytes, want %d", got, tt.want)
			}
		})
	}
}

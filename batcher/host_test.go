package batcher

import (
	"testing"

	"fluxworker/gpu"
)

// What the servers need of the node's own memory: on GPUs their processes and, through the page cache, the files; on the
// CPU the weights and the cache themselves.
func TestHost(t *testing.T) {
	weights := llama8B().WeightsBytes
	// A ubatch of 2048 tokens has for each token a mask of 4096 cells of 2 bytes and 4096 floats; 64 slots have logits.
	const buffers = 2048*(4096*2+4096*4) + 64*128256*4
	model := llama8B()
	model.HostBytes = 281 * mib
	for _, tt := range []struct {
		name string
		gpus []gpu.Device
		wish Request
		want Host
	}{
		{"one GPU", cards(1, "NVIDIA A100", 80), Request{}, Host{Servers: runnerBytes, Embedding: model.HostBytes, Buffers: buffers, Files: weights}},
		{"two servers", cards(2, "NVIDIA A100", 80), Request{}, Host{Servers: 2 * runnerBytes, Embedding: 2 * model.HostBytes, Buffers: 2 * buffers, Files: weights}},
		// 4096 tokens of 128 KiB each are 512 MiB.
		{"CPU", nil, Request{CPU: true, Slots: 4}, Host{Servers: runnerBytes, Model: weights + 4*512*mib}},
		{"somebody else's server", nil, Request{Unchecked: true}, Host{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Decide(llamaModel(), model, tt.gpus, tt.wish)
			if err != nil {
				t.Fatal(err)
			}
			if p.Host != tt.want || p.Host.Unreclaimable() != tt.want.Model+tt.want.Servers+tt.want.Embedding+tt.want.Buffers {
				t.Errorf("got %+v, want %+v", p.Host, tt.want)
			}
		})
	}
	p, err := Decide(big(), big().Architecture, cards(1, "NVIDIA L4", 24), Request{AllowCPULayers: true})
	if err != nil || p.Host.Model < 16*gib || p.Host.Model != p.Servers[0].Spill {
		t.Errorf("with layers on the CPU: %+v, %v", p.Host, err)
	}
}

package batcher

import (
	"slices"
	"strings"
	"testing"

	"fluxworker/gpu"
	"fluxworker/modelcfg"
)

func TestNoFlashAttention(t *testing.T) {
	model := func(family string, key, value int) modelcfg.Architecture {
		return modelcfg.Architecture{Family: family, KeyLength: key, ValueLength: value}
	}
	v100, t4 := card(0, "V100", 32), card(0, "T4", 16)
	v100.ComputeCapability, t4.ComputeCapability = "7.0", "7.5"
	embedder := map[string]any{"llama.pooling_type": 1.0}
	tests := []struct {
		name     string
		a        modelcfg.Architecture
		metadata map[string]any
		gpu      gpu.Device
		old, new bool // whether it is not used
	}{
		{"usual", model("llama", 128, 128), nil, v100, false, false},
		{"gemma2", model("gemma2", 256, 256), nil, v100, true, false},
		{"grok", model("grok", 128, 128), nil, v100, true, true},
		{"latent attention", model("deepseek2", 576, 512), nil, v100, true, false},
		{"embedder", model("llama", 128, 128), embedder, v100, true, false},
		{"unequal, yet known", model("qwen35", 256, 128), nil, v100, false, false},
		{"gemma4 on an old GPU", model("gemma4", 512, 512), nil, v100, true, false},
		{"gemma4 on a newer one", model("gemma4", 512, 512), nil, t4, false, false},
		{"nothing known", modelcfg.Architecture{}, nil, t4, false, false},
	}
	for _, tt := range tests {
		for _, old := range []bool{true, false} {
			want := old && tt.old || !old && tt.new
			if why := NoFlashAttention(old, tt.metadata, tt.a, []gpu.Device{tt.gpu}); (why != "") != want {
				t.Errorf("%s, old generation %t: %q", tt.name, old, why)
			}
		}
	}
}

// Without flash attention the cache is f16, whatever was asked for, and what it costs is what f16 costs.
func TestWithoutFlashAttention(t *testing.T) {
	m := llamaModel()
	wish := Request{KVCacheType: "q8_0", NoFlashAttention: "the engine lacks it"}
	p, err := Decide(m, m.Architecture, cards(1, "NVIDIA A10", 24), wish)
	if err != nil {
		t.Fatal(err)
	}
	if p.KVCacheType != "f16" || !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, wish.NoFlashAttention) }) {
		t.Errorf("cache %s, warnings %q", p.KVCacheType, p.Warnings)
	}
	if kv := p.Servers[0].Terms[1].Bytes / int64(p.Servers[0].Slots); kv != 4096*kvBytesPerToken(m.Architecture, "f16") {
		t.Errorf("%d bytes of cache a slot", kv)
	}
	_, err = Decide(m, m.Architecture, cards(1, "NVIDIA A10", 24), Request{Context: 131072, NoFlashAttention: "the engine lacks it"})
	if err == nil || strings.Contains(err.Error(), "--kv-cache-type") {
		t.Errorf("the advice is of no use: %v", err)
	}
}

package batcher

import (
	"testing"

	"fluxworker/modelcfg"
)

// llama8B is Llama 3.1 8B at Q4_K_M.
func llama8B() modelcfg.Architecture {
	return modelcfg.Architecture{Source: "test", Family: "llama", WeightsBytes: 4_920_753_328, Layers: 32, Heads: 32, KVHeads: repeat(8, 32),
		KeyLength: 128, ValueLength: 128, EmbeddingLength: 4096, FeedForwardLength: 14336, Vocabulary: 128256, ContextLength: 131072}
}

func repeat(v, n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = v
	}
	return s
}

func TestKVBytesPerToken(t *testing.T) {
	mla := llama8B()
	mla.LatentLength, mla.Layers, mla.KVHeads = 512+64, 61, repeat(1, 61)
	mixed := llama8B()
	mixed.KVHeads = append(repeat(0, 24), repeat(8, 8)...)
	tests := []struct {
		name  string
		a     modelcfg.Architecture
		cache string
		want  int64
	}{
		{"Llama 3.1 8B", llama8B(), "f16", 128 << 10},
		{"q8_0", llama8B(), "q8_0", 68 << 10},
		{"q4_0", llama8B(), "q4_0", 36 << 10},
		{"latent attention", mla, "f16", 61 * 576 * 2},
		{"layers without attention", mixed, "f16", 32 << 10},
	}
	for _, tt := range tests {
		if got := kvBytesPerToken(tt.a, tt.cache); got != tt.want {
			t.Errorf("%s: %d bytes, want %d", tt.name, got, tt.want)
		}
	}
}

func TestTermsOfLlama8B(t *testing.T) {
	terms := architectureTerms(llama8B(), serverSpec{slots: 16, context: 4096, cache: "f16", group: 1})
	want := []Term{
		{Name: "weights", Bytes: 4_920_753_328},
		{Name: "KV cache", Bytes: 8 * gib},
		{Name: "compute buffer", Bytes: 2048*128256*4 + 6*2048*4096*4},
		{Name: "CUDA runtime", Bytes: 768 * mib},
	}
	if len(terms) != len(want) {
		t.Fatalf("terms %+v", terms)
	}
	for i, w := range want {
		if terms[i].Name != w.Name || terms[i].Bytes != w.Bytes || terms[i].Note == "" {
			t.Errorf("term %+v, want %s %d", terms[i], w.Name, w.Bytes)
		}
	}
}

func TestWindowCells(t *testing.T) {
	// Gemma 3 4B: every sixth of 34 layers has full attention, 29 have a window of 1024.
	a := modelcfg.Architecture{Layers: 34, KVHeads: repeat(4, 34), KeyLength: 256, ValueLength: 256, SlidingWindow: 1024, SlidingWindowPattern: 6}
	const layer = 4 * 512 * 2 // bytes of a cell
	tests := []struct {
		slots, context, cells int64
	}{
		{1, 4096, 1024 + 512},
		{1, 1000, 1024}, // the context, rounded up to 256
		{2, 4096, 1024 + 1024},
		{9, 4096, 1024 + 2048},
		{9, 2048, 2048},
	}
	for _, tt := range tests {
		s := serverSpec{slots: tt.slots, context: tt.context, cache: "f16", group: 1}
		window, ok := windowTerm(a, s)
		if want := tt.slots * tt.cells * 29 * layer; !ok || window.Bytes != want {
			t.Errorf("%d × %d: window %d bytes, want %d", tt.slots, tt.context, window.Bytes, want)
		}
		if kv, want := kvTerm(a, s), tt.slots*padded(tt.context)*5*layer; kv.Bytes != want {
			t.Errorf("%d × %d: full %d bytes, want %d", tt.slots, tt.context, kv.Bytes, want)
		}
	}
}

// TestComputeBufferIsABound compares the bound with what public logs of llama.cpp show ("CUDA0 compute buffer size"). It
// must not be below; how far it is above is what the plan wastes.
func TestComputeBufferIsABound(t *testing.T) {
	arch := func(embedding, heads, feedForward, experts, vocabulary int) modelcfg.Architecture {
		return modelcfg.Architecture{EmbeddingLength: embedding, Heads: heads, FeedForwardLength: feedForward, ExpertsUsed: experts, Vocabulary: vocabulary}
	}
	tests := []struct {
		name    string
		a       modelcfg.Architecture
		context int64
		noFlash bool
		logged  float64 // MiB, with ubatch 512 and one slot
		factor  float64 // most that the bound may be above
	}{
		{"Llama 3.1 8B, 13312 cells", arch(4096, 32, 14336, 0, 128256), 13312, false, 258.48, 1.3},
		{"Llama 3.2 3B, 2048 cells", arch(3072, 24, 8192, 0, 128256), 2048, false, 284.90, 1.3},
		{"Qwen 2.5 7B, 32768 cells", arch(3584, 28, 18944, 0, 152064), 32768, false, 304.00, 1.3},
		{"Qwen3 Coder 30B-A3B, 65536 cells", arch(2048, 32, 768, 8, 151936), 65536, false, 300.75, 1.3},
		{"Qwen3.5 27B, 200192 cells", arch(5120, 24, 17408, 0, 248320), 200192, false, 654.78, 1.3},
		{"Llama 3.1 8B, 4096 cells, no flash attention", arch(4096, 32, 14336, 0, 128256), 4096, true, 296.01, 1.3},
		{"Llama 3 8B, 8192 cells, no flash attention", arch(4096, 32, 14336, 0, 128256), 8192, true, 560.01, 1.3},
		{"Llama 3.1 70B, 8192 cells, no flash attention", arch(8192, 64, 28672, 0, 128256), 8192, true, 1104.00, 1.3},
		// Newer engines reserve logits for few tokens.
		{"Qwen3 4B in 2026, 8192 cells", arch(2560, 32, 9728, 0, 151936), 8192, false, 85.01, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The logs are of ubatch 512 at any context; the planner would take more tokens there, and more memory.
			s := serverSpec{slots: 1, context: tt.context, cache: "f16", group: 1, noFlash: tt.noFlash}
			got := float64(computeBytesAt(tt.a, s, 512)) / float64(mib)
			if got < tt.logged || got > tt.logged*tt.factor {
				t.Errorf("bound %.1f MiB, logged %.2f", got, tt.logged)
			}
			if planned := float64(computeBytes(tt.a, s)) / float64(mib); planned < got {
				t.Errorf("planned %.1f MiB, with ubatch 512 %.1f", planned, got)
			}
		})
	}
}

func TestSplitOverAGroup(t *testing.T) {
	a := llama8B()
	one := architectureTerms(a, serverSpec{slots: 4, context: 4096, cache: "f16", group: 1})
	three := architectureTerms(a, serverSpec{slots: 4, context: 4096, cache: "f16", group: 3})
	// 33 layers with the output, at most 11 on a GPU; 32 with a cache, at most 11.
	if want := one[0].Bytes / 3; three[0].Bytes < want || three[0].Bytes > want+1 {
		t.Errorf("weights %d of %d", three[0].Bytes, one[0].Bytes)
	}
	if want := one[1].Bytes * 11 / 32; three[1].Bytes != want {
		t.Errorf("KV cache %d, want %d", three[1].Bytes, want)
	}
	if last := three[len(three)-2]; last.Name != "pipeline" || last.Bytes == 0 {
		t.Errorf("no pipeline term: %+v", three)
	}
}

func TestTermsByKind(t *testing.T) {
	a := llama8B()
	a.Vision, a.ProjectorBytes, a.StateBytes = true, 600*mib, 3*mib
	byName := map[string]int64{}
	for _, term := range architectureTerms(a, serverSpec{slots: 2, context: 4096, cache: "q8_0", group: 1}) {
		byName[term.Name] = term.Bytes
	}
	for name, want := range map[string]int64{
		"weights":           a.WeightsBytes - 600*mib,
		"projector":         600*mib + gib,
		"state":             6 * mib,
		"KV cache":          2 * 4096 * (68 << 10),
		"attention scratch": 2 * 4096 * 8 * 256 * 2,
	} {
		if byName[name] != want {
			t.Errorf("%s: %d bytes, want %d", name, byName[name], want)
		}
	}
}

func TestArithmeticSaturates(t *testing.T) {
	if got := times(1<<40, 1<<40, 1<<40); got != maxBytes {
		t.Errorf("product %d", got)
	}
	if got := times(1<<40, 1<<40, 0); got != 0 {
		t.Errorf("product with 0: %d", got)
	}
	if got := plus(maxBytes, maxBytes); got != maxBytes {
		t.Errorf("sum %d", got)
	}
	if got := share(10, 1, 3); got != 4 {
		t.Errorf("share %d", got)
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1023 B", 128 << 10: "128.0 KiB", 3 << 29: "1.5 GiB", -(1 << 20): "-1.0 MiB"} {
		if got := Size(bytes); got != want {
			t.Errorf("Size(%d) = %s, want %s", bytes, got, want)
		}
	}
}

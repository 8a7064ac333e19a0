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
	terms := architectureTerms(llama8B(), serverSpec{slots: 16, context: 4096, cache: "f16", ubatch: 2048, runner: LlamaServer, group: 1})
	want := []Term{
		{Name: "weights", Bytes: 4_920_753_328},
		{Name: "KV cache", Bytes: 8 * gib},
		{Name: "compute buffer", Bytes: 2048 * (12*14336 + 2*4096 + 3*4096*4)},
		{Name: "CUDA runtime", Bytes: 320 * mib},
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
	a := modelcfg.Architecture{Family: "gemma3", Layers: 34, KVHeads: repeat(4, 34), KeyLength: 256, ValueLength: 256, SlidingWindow: 1024, SlidingWindowPattern: 6}
	const layer = 4 * 512 * 2 // bytes of a cell
	tests := []struct {
		runner                         Runner
		slots, context, ubatch, window int64 // window in cells of all slots
	}{
		{LlamaServer, 1, 4096, 512, 1024 + 512},
		{LlamaServer, 1, 1000, 512, 1024}, // the context, rounded up to 256
		{LlamaServer, 1, 4096, 600, 1792}, // the ubatch, too
		{LlamaServer, 2, 4096, 1024, 2 * (1024 + 1024)},
		{LlamaServer, 9, 4096, 2048, 9 * (1024 + 2048)},
		{LlamaServer, 9, 2048, 2048, 9 * 2048},
		{LlamaRunner, 9, 4096, 512, 9 * 4096}, // it keeps window caches in full size
		{OllamaEngine, 1, 4096, 512, 1024 + 512},
		{OllamaEngine, 9, 4096, 512, padded(9*1025 + 512)}, // one ubatch for all slots
		{OllamaEngine, 9, 1024, 512, 9 * 1024},
	}
	for _, tt := range tests {
		s := serverSpec{slots: tt.slots, context: tt.context, cache: "f16", ubatch: tt.ubatch, runner: tt.runner, group: 1}
		window, ok := windowTerm(a, s)
		if want := tt.window * 29 * layer; !ok || window.Bytes != want {
			t.Errorf("%s, %d × %d, ubatch %d: window %d bytes, want %d", tt.runner, tt.slots, tt.context, tt.ubatch, window.Bytes, want)
		}
		if kv, want := kvTerm(a, s), tt.slots*padded(tt.context)*5*layer; kv.Bytes != want {
			t.Errorf("%s, %d × %d: full %d bytes, want %d", tt.runner, tt.slots, tt.context, kv.Bytes, want)
		}
	}
	memory := serverSpec{slots: 2, context: 8192, cache: "f16", ubatch: 512, runner: OllamaEngine, group: 1}
	if got := memory.windowCells("gpt-oss", 128); got != 2*4096+512 { // whatever the window
		t.Errorf("gpt-oss: %d cells", got)
	}
	if got := memory.windowCells("llama4", 4096); got != 2*8192 { // a family without a cache of windows
		t.Errorf("llama4: %d cells", got)
	}
}

// The llama.cpp runner allocates the context of all slots once for each slot of a hybrid model.
func TestCellsOfHybrids(t *testing.T) {
	for _, tt := range []struct {
		runner Runner
		family string
		cells  int64
	}{
		{LlamaServer, "granitehybrid", 3 * 1024},
		{LlamaRunner, "granitehybrid", 3 * 3 * 1024},
		{LlamaRunner, "nemotron_h_moe", 3 * 3 * 1024},
		{LlamaRunner, "granite", 3 * 1024},
		{OllamaEngine, "lfm2", 3 * 1024},
	} {
		s := serverSpec{slots: 3, context: 1000, cache: "f16", ubatch: 512, runner: tt.runner, group: 1}
		if tt.runner == OllamaEngine {
			s.context = 1024
		}
		if cells := s.cells(tt.family); cells != tt.cells {
			t.Errorf("%s with the %s: %d cells, want %d", tt.family, tt.runner, cells, tt.cells)
		}
	}
}

func TestDrafts(t *testing.T) {
	a := llama8B()
	a.Family, a.DraftLayers, a.StateBytes = "qwen35", 1, mib
	s := serverSpec{slots: 2, context: 4096, cache: "q8_0", ubatch: 512, runner: LlamaServer, group: 1}
	if _, drafts := draftTerm(a, s); drafts {
		t.Error("a server that was not told to draft has a term for it")
	}
	s.drafts = 4
	drafts, _ := draftTerm(a, s)
	if want := 2*4096*(4<<10) + computeBytes(a, s); drafts.Bytes != want { // an f16 cache of one layer
		t.Errorf("%d bytes, want %d", drafts.Bytes, want)
	}
	if state, _ := stateTerm(a, s); state.Bytes != 2*5*mib {
		t.Errorf("state of %d bytes", state.Bytes)
	}
	s.runner = OllamaEngine // which does not draft, and keeps checkpoints on the GPU
	if state, _ := stateTerm(a, s); state.Bytes != 2*25*mib {
		t.Errorf("state of %d bytes in Ollama's engine", state.Bytes)
	}
}

// Multi-head latent attention: llama.cpp caches the latent alone, and Ollama's engine also its part that serves as value.
func TestLatentCacheByRunner(t *testing.T) {
	a := llama8B()
	a.LatentLength, a.LatentValueLength = 512+64, 512
	for runner, elements := range map[Runner]int64{LlamaServer: 576, LlamaRunner: 576, OllamaEngine: 576 + 512} {
		terms := architectureTerms(a, serverSpec{slots: 2, context: 4096, cache: "f16", ubatch: 512, runner: runner, group: 1})
		if want := 2 * 4096 * 32 * elements * 2; terms[1].Bytes != want {
			t.Errorf("%s: %d bytes, want %d", runner, terms[1].Bytes, want)
		}
	}
}

func TestRunnerOf(t *testing.T) {
	for _, tt := range []struct {
		old       bool
		family    string
		projector bool
		want      Runner
	}{
		{false, "gemma3", false, LlamaServer},
		{true, "gemma3", false, OllamaEngine},
		{true, "gemma3", true, LlamaRunner},
		{true, "gemma2", false, LlamaRunner},
		{true, "llama", false, LlamaRunner},
	} {
		if got := RunnerOf(tt.old, tt.family, tt.projector); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

// The llama.cpp runner has logits for every token of a ubatch. The logs are of ubatch 512 and one slot, in MiB; the bound is at most
// 30 % above them.
func TestComputeBufferOfTheLlamaRunner(t *testing.T) {
	arch := func(embedding, heads, feedForward, experts, vocabulary int) modelcfg.Architecture {
		return modelcfg.Architecture{EmbeddingLength: embedding, Heads: heads, KeyLength: 128, ValueLength: 128, KVHeads: []int{8},
			FeedForwardLength: feedForward, ExpertsUsed: experts, Vocabulary: vocabulary}
	}
	tests := []struct {
		name    string
		a       modelcfg.Architecture
		context int64
		noFlash bool
		logged  float64
	}{
		{"Llama 3.1 8B, 13312 cells", arch(4096, 32, 14336, 0, 128256), 13312, false, 258.48},
		{"Llama 3.2 3B, 2048 cells", arch(3072, 24, 8192, 0, 128256), 2048, false, 284.90},
		{"Qwen 2.5 7B, 32768 cells", arch(3584, 28, 18944, 0, 152064), 32768, false, 304.00},
		{"Qwen3 Coder 30B-A3B, 65536 cells", arch(2048, 32, 768, 8, 151936), 65536, false, 300.75},
		{"Qwen3.5 27B, 200192 cells", arch(5120, 24, 17408, 0, 248320), 200192, false, 654.78},
		{"Llama 3.1 8B, 4096 cells, no flash attention", arch(4096, 32, 14336, 0, 128256), 4096, true, 296.01},
		{"Llama 3 8B, 8192 cells, no flash attention", arch(4096, 32, 14336, 0, 128256), 8192, true, 560.01},
		{"Llama 3.1 70B, 8192 cells, no flash attention", arch(8192, 64, 28672, 0, 128256), 8192, true, 1104.00},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serverSpec{slots: 1, context: tt.context, cache: "f16", ubatch: 512, runner: LlamaRunner, group: 1, noFlash: tt.noFlash}
			got := float64(computeBytes(tt.a, s)) / float64(mib)
			if got < tt.logged || got > 1.3*tt.logged {
				t.Errorf("bound %.1f MiB, logged %.2f", got, tt.logged)
			}
		})
	}
}

func TestSplitOverAGroup(t *testing.T) {
	a := llama8B()
	one := architectureTerms(a, serverSpec{slots: 4, context: 4096, cache: "f16", ubatch: 2048, runner: LlamaServer, group: 1})
	three := architectureTerms(a, serverSpec{slots: 4, context: 4096, cache: "f16", ubatch: 2048, runner: LlamaServer, group: 3})
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
	for _, term := range architectureTerms(a, serverSpec{slots: 2, context: 4096, cache: "q8_0", ubatch: 2048, runner: LlamaServer, group: 1}) {
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

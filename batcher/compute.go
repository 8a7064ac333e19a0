package batcher

import (
	"fmt"

	"fluxworker/modelcfg"
)

const (
	// unknownVocabulary replaces an unknown vocabulary: it is that of Gemma 3, the largest in wide use.
	unknownVocabulary = 262_208
	// unknownFeedForward replaces an unknown feed-forward width, in embedding lengths. Gemma 3 1B has 6.
	unknownFeedForward = 8
	// residuals is the number of live tensors of size ubatch × embedding length besides the largest ones. Logs show 1
	// to 6, depending on architecture and version.
	residuals = 6
	// oldUbatch is the ubatch of the old generation of servers, whose mask covers the cells of all slots.
	oldUbatch = 512

	// runtimeBytes is the memory of a CUDA context, the engine's kernels and cuBLAS for one process on one GPU. It is
	// an estimate: llama.cpp's memory breakdown logs 500 to 750 MiB as unaccounted.
	runtimeBytes = 768 * mib
	// visionBytes is the memory for encoding images besides the projector's weights. Ollama reserves the same (v0.34.3
	// llm/llama_server.go, mmprojOffloadHeadroom).
	visionBytes = gib
	// pipelineCopies is the number of ubatches that llama.cpp keeps in flight if layers are spread over GPUs
	// (GGML_SCHED_MAX_COPIES); each has its own copy of the inputs.
	pipelineCopies = 4
)

// computeBytes returns an upper bound of llama.cpp's compute buffer on one device. ggml's allocator reuses the memory
// of tensors that are no longer needed, so the buffer is the maximum over the phases of a graph, not their sum. The
// phases are
//
//	logits      ubatch · vocabulary · 4
//	a layer     masks + the larger of attention scores and feed-forward
//	masks       cells · ubatch · (4+2): f32 as it arrives and f16 as flash attention reads it
//	scores      heads · cells · ubatch · 4, without flash attention only
//	feed-fwd    ubatch · 3 · feed_forward_length · experts_used · 4: gate, up and their product
//
// Each phase adds 6 · ubatch · embedding_length · 4 for residuals, queries and norms. Since 2026 llama-server reserves
// logits for fewer tokens than a ubatch, so the bound is far above the actual size.
func computeBytes(a modelcfg.Architecture, s serverSpec) int64 {
	return computeBytesAt(a, s, ubatch(s.slots, s.context))
}

func computeBytesAt(a modelcfg.Architecture, s serverSpec, u int64) int64 {
	cells := padded(s.context)
	vocabulary, feedForward := int64(a.Vocabulary), int64(a.FeedForwardLength)
	if vocabulary == 0 {
		vocabulary = unknownVocabulary
	}
	if feedForward == 0 {
		feedForward = unknownFeedForward * int64(a.EmbeddingLength)
	}
	layer := times(u, 3, feedForward, int64(max(a.ExpertsUsed, 1)), 4)
	if s.noFlash {
		layer = max(layer, times(int64(max(a.Heads, 1)), maskCells(s, cells, u), 4))
	}
	largest := max(times(u, vocabulary, 4), plus(layer, maskBytes(s, u)))
	return plus(largest, times(residuals, u, int64(a.EmbeddingLength), 4))
}

// maskCells returns the number of elements of the attention mask. The new generation has one slot's cells for each
// token of a ubatch; the old generation has the cells of all slots, but small ubatches.
func maskCells(s serverSpec, cells, u int64) int64 {
	return max(times(cells, u), times(s.slots, cells, oldUbatch))
}

func maskBytes(s serverSpec, u int64) int64 {
	return times(maskCells(s, padded(s.context), u), 4+2)
}

func computeTerm(a modelcfg.Architecture, s serverSpec) Term {
	how := "flash attention"
	if s.noFlash {
		how = "no flash attention"
	}
	return Term{"compute buffer", computeBytes(a, s),
		fmt.Sprintf("upper bound: ubatch %d, vocabulary %d, %s", ubatch(s.slots, s.context), a.Vocabulary, how)}
}

// scratchTerm returns the f16 copy of one layer's keys and values that the CUDA flash attention kernels make from a
// quantised cache while they process a prompt (fattn-common.cuh). It is in the CUDA backend's pool, not in the compute
// buffer.
func scratchTerm(a modelcfg.Architecture, s serverSpec) (Term, bool) {
	if s.cache == cacheTypes[0] {
		return Term{}, false
	}
	_, _, largest := elementsPerCell(a)
	cells := padded(s.context)
	return Term{"attention scratch", times(s.slots, cells, largest, 2),
		fmt.Sprintf("one layer's %s cache as f16: %d slots × %d tokens × %s", s.cache, s.slots, cells, Size(largest*2))}, true
}

// pipelineTerm returns the additional memory of a device in a group: the further copies of a ubatch's inputs.
func pipelineTerm(a modelcfg.Architecture, s serverSpec) (Term, bool) {
	if s.group < 2 {
		return Term{}, false
	}
	u := ubatch(s.slots, s.context)
	inputs := plus(maskBytes(s, u), times(2, u, int64(a.EmbeddingLength), 4))
	return Term{"pipeline", times(pipelineCopies-1, inputs),
		fmt.Sprintf("%d further copies of a ubatch's inputs, %s each", pipelineCopies-1, Size(inputs))}, true
}

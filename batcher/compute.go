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
	// residuals is the number of live tensors of ubatch × embedding length besides the largest ones. Logs of llama-server show
	// 2 or 3, those of older versions of llama.cpp 1 to 6; how many Ollama's engine has is not known.
	residuals, oldResiduals = 3, 6

	// pipelineCopies is the number of ubatches that llama.cpp keeps in flight if layers are spread over GPUs
	// (GGML_SCHED_MAX_COPIES); each has its own copy of the inputs.
	pipelineCopies = 4
)

// computeBytes returns the compute buffer on one device. ggml's allocator reuses the memory of tensors that are no longer needed,
// so the buffer is the maximum over the phases of a graph, not their sum. For u tokens the phases are
//
//	logits     rows · vocabulary · 4
//	a layer    masks + the largest of the parts of a layer (see layerBytes)
//	masks      u · cells · 2 with flash attention, which reads f16; see maskBytes
//
// and each has residuals · u · embedding_length · 4 besides. Rows are the tokens for which the server computes logits: one for each
// slot (llama.cpp pull request 23861 of May 2026, n_outputs_max; v0.24.0 runner/ollamarunner/runner.go,
// reserveWorstCaseGraph), and all u tokens with the llama.cpp runner and for embeddings. The terms follow the public logs in
// testdata/logs.json.
func computeBytes(a modelcfg.Architecture, s serverSpec) int64 {
	u, rows, live := s.tokens(), min(s.slots, s.tokens()), int64(residuals)
	if s.runner != LlamaServer {
		live = oldResiduals
	}
	if s.runner == LlamaRunner || s.embeds {
		rows = u
	}
	vocabulary := int64(a.Vocabulary)
	switch {
	case matches(embedders, a.Family): // they have no output matrix
		vocabulary = 0
	case vocabulary == 0:
		vocabulary = unknownVocabulary
	}
	largest := max(times(rows, vocabulary, 4), plus(layerBytes(a, s), maskBytes(a, s)))
	return plus(largest, times(live, u, int64(a.EmbeddingLength), 4))
}

// layerBytes returns the largest part of a layer for u tokens:
//
//	feed-forward   u · 3 · feed_forward_length · experts_used · 4: gate, up and their product
//	experts        u · 2 · embedding_length · experts_used · 4: what each expert returns, and the same weighted
//	attention      u · 4 · heads · key_length · 4: queries and results; without flash attention also the scores,
//	               heads · cells · u · 4, and an f16 copy of the values
//	recurrent      u · (3 · convolution + inner_size) · 4
func layerBytes(a modelcfg.Architecture, s serverSpec) int64 {
	u, experts := s.tokens(), int64(max(a.ExpertsUsed, 1))
	feedForward, heads := int64(a.FeedForwardLength), int64(max(a.Heads, 1))
	if feedForward == 0 {
		feedForward = unknownFeedForward * int64(a.EmbeddingLength)
	}
	attention := times(u, 4, heads, int64(a.KeyLength), 4)
	if s.noFlash {
		_, _, largest := elementsPerCell(a)
		attention = plus(attention, plus(times(heads, s.maskCells(a), u, 4), times(s.cells(a.Family), largest)))
	}
	return max(attention, times(u, 3, feedForward, experts, 4), times(u, int64(a.RecurrentLength), 4), expertBytes(a, u))
}

func expertBytes(a modelcfg.Architecture, u int64) int64 {
	return times(u, 2, int64(a.EmbeddingLength), int64(a.ExpertsUsed), 4)
}

// maskBytes returns the attention masks of a ubatch. They are f16 with flash attention, which is f32 and a copy as f16 in the
// llama.cpp runner, and f32 without it.
func maskBytes(a modelcfg.Architecture, s serverSpec) int64 {
	width := int64(2)
	switch {
	case s.noFlash:
		width = 4
	case s.runner == LlamaRunner:
		width = 4 + 2
	}
	return times(s.tokens(), s.maskCells(a), width)
}

const computeName = "compute buffer"

func computeTerm(a modelcfg.Architecture, s serverSpec) Term {
	how := "flash attention"
	if s.noFlash {
		how = "no flash attention"
	}
	return Term{computeName, computeBytes(a, s), fmt.Sprintf("ubatch %d, vocabulary %d, %s, %s", s.tokens(), a.Vocabulary, how, s.runner)}
}

// scratchTerm returns the f16 copy of one layer's keys and values that the CUDA flash attention kernels make from a
// quantised cache while they process a prompt (fattn-common.cuh). It is in the CUDA backend's pool, not in the compute
// buffer.
func scratchTerm(a modelcfg.Architecture, s serverSpec) (Term, bool) {
	if s.cache == cacheTypes[0] {
		return Term{}, false
	}
	_, _, largest := elementsPerCell(a)
	cells := s.cells(a.Family)
	return Term{"attention scratch", times(cells, largest, 2),
		fmt.Sprintf("one layer's %s cache as f16: %d slots × %d tokens × %s", s.cache, s.slots, s.slotCells(a.Family), Size(largest*2))}, true
}

// pipelineTerm returns the memory that only the first device of a group needs: the further copies of a ubatch's inputs.
func pipelineTerm(a modelcfg.Architecture, s serverSpec) (Term, bool) {
	if s.group < 2 {
		return Term{}, false
	}
	inputs := plus(maskBytes(a, s), times(s.tokens(), int64(a.EmbeddingLength), 4))
	return Term{pipelineName, times(pipelineCopies-1, inputs),
		fmt.Sprintf("%d further copies of a ubatch's inputs, %s each, on the first GPU only", pipelineCopies-1, Size(inputs))}, true
}

const pipelineName = "pipeline"

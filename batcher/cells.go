package batcher

import (
	"slices"

	"fluxworker/modelcfg"
)

// cellPadding is the multiple of cells to which a cache is rounded up: that of each slot by llama.cpp (llama-context.cpp,
// n_ctx_seq), and that of all slots by Ollama's engine (v0.24.0 ml/backend/ggml/ggml.go, CacheConfig).
const cellPadding = 256

func padded(cells int64) int64 { return (cells + cellPadding - 1) / cellPadding * cellPadding }

// tokens returns the tokens of a ubatch: no more than there are cells (llama-context.cpp, n_batch), and with Ollama before 0.30
// no more than one slot has (v0.24.0 llm/server.go).
func (s serverSpec) tokens() int64 {
	if s.runner == LlamaServer {
		return min(s.ubatch, times(s.slots, s.context))
	}
	return min(s.ubatch, s.context)
}

// cells returns the cells of all slots in a layer with full attention.
func (s serverSpec) cells(family string) int64 {
	if s.runner == OllamaEngine {
		return padded(times(s.slots, s.context))
	}
	return times(s.slots, s.slotCells(family))
}

// slotCells returns the cells of a slot. The llama.cpp runner gives each slot of a hybrid model the context of all slots (v0.24.0
// llama/llama.cpp/src/llama-model.cpp, create_memory: attn_kv_size is n_ctx, where other models have n_ctx_seq).
func (s serverSpec) slotCells(family string) int64 {
	if s.runner == LlamaRunner && matches(runnerHybrids, family) {
		return times(s.slots, padded(s.context))
	}
	return padded(s.context)
}

// windowCells returns the cells of all slots in a layer with a sliding window of the given tokens.
//
//   - llama-server gives each slot the window and a ubatch, because it adds the ubatch before it frees old cells
//     (llama-kv-cache-iswa.cpp, size_swa).
//   - The llama.cpp runner gives each slot its whole context: it leaves swa_full at its default, which is true
//     (v0.24.0 llama/llama.cpp/src/llama-context.cpp).
//   - Ollama's engine gives all slots their windows and one ubatch, and a window has one more token where there are several
//     slots (v0.24.0 kvcache/causal.go, Init). Some families keep 4096 tokens whatever the window (NewSWAMemCache), and some
//     have no cache of windows.
func (s serverSpec) windowCells(family string, window int64) int64 {
	switch s.runner {
	case LlamaRunner:
		return s.cells(family)
	case OllamaEngine:
		memory := window
		switch {
		case slices.Contains([]string{"gptoss", "gpt-oss", "gemma4"}, family):
			memory = 4096
		case !slices.Contains([]string{"gemma3", "gemma3n", "laguna", "olmo3"}, family):
			return s.cells(family)
		}
		if s.slots > 1 {
			memory = max(memory, window+1)
		}
		if memory >= s.context {
			return s.cells(family)
		}
		return padded(plus(times(s.slots, memory), s.tokens()))
	}
	return times(s.slots, padded(min(padded(s.context), window+s.tokens())))
}

// maskCells returns the cells that the attention masks have for each token of a ubatch: those of a slot, or with Ollama's engine
// those of all slots. A model with windows has a mask for them, too.
func (s serverSpec) maskCells(a modelcfg.Architecture) int64 {
	full, window, _ := elementsPerCell(a)
	var cells int64
	if full > 0 || window == 0 {
		cells = s.cells(a.Family)
	}
	if window > 0 {
		cells = plus(cells, s.windowCells(a.Family, int64(a.SlidingWindow)))
	}
	if s.runner == OllamaEngine {
		return cells
	}
	return cells / s.slots
}

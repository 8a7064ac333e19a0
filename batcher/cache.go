package batcher

import (
	"fmt"

	"fluxworker/modelcfg"
)

// The terms whose memory belongs to slots and lies in layers.
const (
	kvName     = "KV cache"
	windowName = "sliding-window cache"
	stateName  = "state"
	ruleName   = "rule of thumb: slots"
)

var perSlot = []string{kvName, windowName, stateName, ruleName}

// cacheTypes are the KV cache types that a plan can have, the largest first.
var cacheTypes = []string{"f16", "q8_0", "q4_0"}

// cacheBytes is the size of elements of a KV cache. ggml's q8_0 stores 32 elements in 34 bytes and its q4_0 in 18: a scale
// of two bytes and 8 or 4 bits each.
func cacheBytes(elements int64, cacheType string) int64 {
	switch cacheType {
	case "q8_0":
		return times(elements, 34) / 32
	case "q4_0":
		return times(elements, 18) / 32
	}
	return times(elements, 2)
}

// cellPadding is the multiple of cells that llama.cpp rounds every slot's cache up to (llama-context.cpp, n_ctx_seq).
const cellPadding = 256

func padded(cells int64) int64 { return (cells + cellPadding - 1) / cellPadding * cellPadding }

// ubatch is how many tokens of prompts Ollama lets llama-server work on at once, by the tokens of all slots together
// (v0.34.3 server/sched.go, generationBatchForContext). Ollama takes less where its own estimate of memory is short, and
// 512 without flash attention; the generation before that took 512 always. More tokens take more memory, so this is the
// upper bound.
func ubatch(slots, context int64) int64 {
	switch total := slots * context; {
	case total <= 4096:
		return 512
	case total <= 32768:
		return 1024
	}
	return 2048
}

// slidingLayer says whether layer l keeps only a window of its tokens: llama.cpp gives every n-th layer full attention,
// counted from the n-th (llama_hparams::set_swa_pattern).
func slidingLayer(a modelcfg.Architecture, l int) bool {
	n := a.SlidingWindowPattern
	return a.SlidingWindow > 0 && (n == 0 || l%n < n-1)
}

// cellElements is how many elements layer l caches for a token: keys and values of every KV head, or with multi-head latent
// attention the compressed latent, which serves as both.
func cellElements(a modelcfg.Architecture, l int) int64 {
	if a.KVHeads[l] == 0 {
		return 0
	}
	if a.LatentLength > 0 {
		return int64(a.LatentLength)
	}
	return times(int64(a.KVHeads[l]), int64(a.KeyLength+a.ValueLength))
}

// elementsPerCell adds up cellElements over the layers with full attention and over those with a window, and gives the
// largest of all.
func elementsPerCell(a modelcfg.Architecture) (full, window, largest int64) {
	for l := range a.KVHeads {
		e := cellElements(a, l)
		largest = max(largest, e)
		if slidingLayer(a, l) {
			window = plus(window, e)
		} else {
			full = plus(full, e)
		}
	}
	return full, window, largest
}

// KVBytesPerToken is what one token takes in the cache of all layers with full attention: Σ_layers
// head_count_kv[l]·(key_length+value_length)·b bytes, with b 2 for f16, 34/32 for q8_0 and 18/32 for q4_0.
func KVBytesPerToken(a modelcfg.Architecture, cacheType string) int64 {
	full, _, _ := elementsPerCell(a)
	return cacheBytes(full, cacheType)
}

// kvTerm is the cache of the layers with full attention: each slot has cells for its whole context.
func kvTerm(a modelcfg.Architecture, s shape) Term {
	full, _, _ := elementsPerCell(a)
	cells := padded(s.context)
	perToken := cacheBytes(full, s.cache)
	return Term{kvName, s.split(cacheBytes(times(s.slots, cells, full), s.cache), int64(a.Layers)),
		fmt.Sprintf("%d slots × %d tokens × %s (%s)", s.slots, cells, Size(perToken), s.cache)}
}

// windowTerm is the cache of the layers with a sliding window: each slot has pad256(min(num_ctx, window+ubatch)) cells
// (llama-kv-cache-iswa.cpp; the ubatch is what may be added before old cells are given up).
func windowTerm(a modelcfg.Architecture, s shape) (Term, bool) {
	_, window, _ := elementsPerCell(a)
	if window == 0 {
		return Term{}, false
	}
	cells := padded(min(padded(s.context), int64(a.SlidingWindow)+ubatch(s.slots, s.context)))
	return Term{windowName, s.split(cacheBytes(times(s.slots, cells, window), s.cache), int64(a.Layers)),
		fmt.Sprintf("%d slots × %d cells × %s (%s)", s.slots, cells, Size(cacheBytes(window, s.cache)), s.cache)}, true
}

// stateTerm is what a slot takes whatever its context: the recurrent layers' state, always f32, which modelcfg counts.
func stateTerm(a modelcfg.Architecture, s shape) (Term, bool) {
	if a.StateBytes == 0 {
		return Term{}, false
	}
	return Term{stateName, s.split(times(s.slots, a.StateBytes), int64(a.Layers)),
		fmt.Sprintf("%d slots × %s, whatever the context", s.slots, Size(a.StateBytes))}, true
}

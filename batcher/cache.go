package batcher

import (
	"cmp"
	"fmt"

	"fluxworker/modelcfg"
)

// Names of the terms whose memory depends on the slots and is split by layers.
const (
	kvName     = "KV cache"
	windowName = "sliding-window cache"
	stateName  = "state"
	ruleName   = "rule of thumb: slots"
)

var perSlot = []string{kvName, windowName, stateName, ruleName}

// cacheTypes are the supported KV cache types, the largest first.
var cacheTypes = []string{"f16", "q8_0", "q4_0"}

// cacheBytes returns the size of KV cache elements in bytes. ggml stores 32 elements in 34 bytes as q8_0 and in 18
// bytes as q4_0: a scale of two bytes, and 8 or 4 bits per element.
func cacheBytes(elements int64, cacheType string) int64 {
	switch cacheType {
	case "q8_0":
		return times(elements, 34) / 32
	case "q4_0":
		return times(elements, 18) / 32
	}
	return times(elements, 2)
}

// cellPadding is the multiple of cells to which llama.cpp rounds up every slot's cache (llama-context.cpp, n_ctx_seq).
const cellPadding = 256

func padded(cells int64) int64 { return (cells + cellPadding - 1) / cellPadding * cellPadding }

// ubatch returns how many prompt tokens Ollama lets llama-server process at once, which depends on the tokens of all
// slots together (v0.34.3 server/sched.go, generationBatchForContext). Ollama uses fewer if its own memory estimate is
// short, and 512 without flash attention; the generation before always used 512. More tokens need more memory, so the
// result is an upper bound.
func ubatch(slots, context int64) int64 {
	switch total := slots * context; {
	case total <= 4096:
		return 512
	case total <= 32768:
		return 1024
	}
	return 2048
}

// cellElements returns how many elements layer l caches per token: keys and values of every KV head, or with multi-head
// latent attention the compressed latent, which serves as both.
func cellElements(a modelcfg.Architecture, l int) int64 {
	if a.KVHeads[l] == 0 {
		return 0
	}
	if a.LatentLength > 0 {
		return int64(a.LatentLength)
	}
	key, value := a.KeyLength, a.ValueLength
	if slidingLayer(a, l) {
		key, value = cmp.Or(a.WindowKeyLength, key), cmp.Or(a.WindowValueLength, value)
	}
	return times(int64(a.KVHeads[l]), int64(key+value))
}

// elementsPerCell returns the sums of cellElements over the layers with full attention and with a window, and the
// maximum over all layers.
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

// kvBytesPerToken returns the bytes per token in the cache of all layers with full attention: Σ_layers
// head_count_kv[l]·(key_length+value_length)·b, with b = 2 for f16, 34/32 for q8_0 and 18/32 for q4_0.
func kvBytesPerToken(a modelcfg.Architecture, cacheType string) int64 {
	full, _, _ := elementsPerCell(a)
	return cacheBytes(full, cacheType)
}

// kvTerm returns the cache of the layers with full attention: each slot has cells for its whole context.
func kvTerm(a modelcfg.Architecture, s serverSpec) Term {
	full, _, _ := elementsPerCell(a)
	cells := padded(s.context)
	perToken := kvBytesPerToken(a, s.cache)
	return Term{kvName, s.perDevice(cacheBytes(times(s.slots, cells, full), s.cache), int64(a.Layers)),
		fmt.Sprintf("%d slots × %d tokens × %s (%s)", s.slots, cells, Size(perToken), s.cache)}
}

// windowTerm returns the cache of the layers with a sliding window: each slot has pad256(min(num_ctx, window+ubatch))
// cells (llama-kv-cache-iswa.cpp; the ubatch is added before old cells are freed).
func windowTerm(a modelcfg.Architecture, s serverSpec) (Term, bool) {
	_, window, _ := elementsPerCell(a)
	if window == 0 {
		return Term{}, false
	}
	cells := padded(min(padded(s.context), int64(a.SlidingWindow)+ubatch(s.slots, s.context)))
	return Term{windowName, s.perDevice(cacheBytes(times(s.slots, cells, window), s.cache), int64(a.Layers)),
		fmt.Sprintf("%d slots × %d cells × %s (%s)", s.slots, cells, Size(cacheBytes(window, s.cache)), s.cache)}, true
}

// stateTerm returns the memory per slot that does not depend on the context: the state of recurrent layers, always f32.
func stateTerm(a modelcfg.Architecture, s serverSpec) (Term, bool) {
	if a.StateBytes == 0 {
		return Term{}, false
	}
	return Term{stateName, s.perDevice(times(s.slots, a.StateBytes), int64(a.Layers)),
		fmt.Sprintf("%d slots × %s, whatever the context", s.slots, Size(a.StateBytes))}, true
}

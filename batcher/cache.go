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
	perToken := kvBytesPerToken(a, s.cache)
	return Term{kvName, s.perDevice(cacheBytes(times(s.cells(a.Family), full), s.cache), int64(a.Layers)),
		fmt.Sprintf("%d slots × %d tokens × %s (%s)", s.slots, s.slotCells(a.Family), Size(perToken), s.cache)}
}

// windowTerm returns the cache of the layers with a sliding window.
func windowTerm(a modelcfg.Architecture, s serverSpec) (Term, bool) {
	_, window, _ := elementsPerCell(a)
	if window == 0 {
		return Term{}, false
	}
	cells := s.windowCells(a.Family, int64(a.SlidingWindow))
	return Term{windowName, s.perDevice(cacheBytes(times(cells, window), s.cache), int64(a.Layers)),
		fmt.Sprintf("%d slots × %d cells × %s (%s)", s.slots, (cells+s.slots-1)/s.slots, Size(cacheBytes(window, s.cache)), s.cache)}, true
}

// engineCheckpoints is the number of copies of the recurrent state that Ollama's engine keeps on the GPU for each slot besides the
// state itself, reserved with the model (v0.24.0 kvcache/recurrent.go, DefaultCheckpointCount). llama-server keeps its
// checkpoints in host memory.
const engineCheckpoints = 24

// stateTerm returns the memory per slot that does not depend on the context: the state of recurrent layers, always f32. A
// llama-server that drafts has one more copy of the state for each drafted token, to go back to (llama-memory-recurrent.cpp,
// 1 + n_rs_seq rows).
func stateTerm(a modelcfg.Architecture, s serverSpec) (Term, bool) {
	if a.StateBytes == 0 {
		return Term{}, false
	}
	copies := int64(1)
	switch {
	case s.runner == OllamaEngine && matches([]string{"qwen3next", "qwen35*", "lfm2*", "nemotron_h*"}, a.Family):
		copies += engineCheckpoints
	case s.draftsNow():
		copies += s.drafts
	}
	return Term{stateName, s.perDevice(times(s.slots, copies, a.StateBytes), int64(a.Layers)),
		fmt.Sprintf("%d slots × %d × %s, whatever the context", s.slots, copies, Size(a.StateBytes))}, true
}

func (s serverSpec) draftsNow() bool { return s.runner == LlamaServer && s.drafts > 0 }

// draftTerm returns the second context of a llama-server that drafts with the model's own blocks (--spec-type draft-mtp): an f16
// cache for these blocks, and a compute buffer, of which logs show 0.7 to 0.85 of the first. Files that Ollama made do not say how
// many blocks they have: then it is one (v0.34.3 llama/compat/llama-ollama-compat.cpp).
func draftTerm(a modelcfg.Architecture, s serverSpec) (Term, bool) {
	if !s.draftsNow() {
		return Term{}, false
	}
	_, _, largest := elementsPerCell(a)
	cache := cacheBytes(times(s.cells(a.Family), largest, int64(max(1, a.DraftLayers))), cacheTypes[0])
	return Term{"drafts", plus(cache, computeBytes(a, s)), fmt.Sprintf("%d tokens at once: cache of %s, and a compute buffer", s.drafts, Size(cache))}, true
}

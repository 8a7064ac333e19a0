package batcher

import "fluxworker/modelcfg"

// sliding reads the attention window and the layers that have it. A pattern in the GGUF takes precedence over the pattern of
// the family: an array has a bool for each layer, and a number is the period (llama-model.cpp, load_swa_pattern).
func (r *reader) sliding(a *modelcfg.Architecture) {
	f, known := slidingFamilies[r.family]
	window := r.optional("attention.sliding_window", 1<<24)
	if window == 0 && !r.has("attention.sliding_window") || window > 0 && f.fixed {
		window = f.window
	}
	if window == 0 || !known || f.layers > 0 && a.Layers != f.layers {
		return
	}
	a.SlidingWindow, a.SlidingWindowPattern = window, f.pattern
	switch v := r.info[r.key("attention.sliding_window_pattern")].(type) {
	case []any:
		if layers, ok := flags(v, a.Layers); ok {
			a.SlidingLayers = layers
		} else {
			a.SlidingWindow, a.SlidingWindowPattern = 0, 0
		}
	case float64:
		if n, ok := whole(v, maxLayers); ok && n > 0 {
			a.SlidingWindowPattern = n
		}
	}
}

// flags returns the values of an array with a bool for each layer, or for more layers than those.
func flags(values []any, layers int) ([]bool, bool) {
	if len(values) < layers {
		return nil, false
	}
	list := make([]bool, layers)
	for l := range list {
		flag, ok := values[l].(bool)
		if !ok {
			return nil, false
		}
		list[l] = flag
	}
	return list, true
}

// slidingLayer reports whether layer l attends only to a window of its tokens. Of a pattern of n, every n-th layer has full
// attention, the n-th first, or the first in some families (llama_hparams::set_swa_pattern, dense_first).
func slidingLayer(a modelcfg.Architecture, l int) bool {
	switch n := a.SlidingWindowPattern; {
	case a.SlidingWindow == 0:
		return false
	case l < len(a.SlidingLayers):
		return a.SlidingLayers[l]
	case n == 0:
		return true
	case slidingFamilies[a.Family].fullFirst:
		return l%n != 0
	default:
		return l%n < n-1
	}
}

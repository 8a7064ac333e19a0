package batcher

import "fluxworker/modelcfg"

// Limits for values in a GGUF, far above those of any model.
const (
	maxHeads      = 1 << 16
	maxHeadLength = 1 << 16
)

// attention reads the parameters of the KV cache. As in llama.cpp, each head without a number of KV heads counts as one
// KV head, and keys and values without a length divide the embedding among the heads.
func (r *reader) attention(a *modelcfg.Architecture) {
	if a.Layers == 0 {
		return
	}
	heads := r.list("attention.head_count", maxHeads)
	for _, h := range heads {
		a.Heads = max(a.Heads, h)
	}
	a.KeyLength, a.ValueLength = r.optional("attention.key_length", maxHeadLength), r.optional("attention.value_length", maxHeadLength)
	if _, there := r.info[r.key("attention.head_count")]; there && heads == nil {
		// The array was blanked. No model has more heads than KV heads that fill the embedding.
		a.Heads = max(1, a.EmbeddingLength/max(a.KeyLength, 64))
	}
	a.KVHeads = make([]int, a.Layers)
	kv := r.list("attention.head_count_kv", maxHeads)
	if r.has("attention.head_count_kv") && len(kv) == 0 || len(kv) > 1 && len(kv) < a.Layers {
		r.fail("attention.head_count_kv")
		return
	}
	for l := range a.KVHeads {
		switch {
		case len(kv) == 1:
			a.KVHeads[l] = kv[0]
		case len(kv) > 1:
			a.KVHeads[l] = kv[l]
		case len(heads) > l:
			a.KVHeads[l] = heads[l]
		default:
			a.KVHeads[l] = a.Heads // also if the array of KV heads was blanked
		}
	}
	each := 1
	if a.Heads > 0 {
		each = (a.EmbeddingLength + a.Heads - 1) / a.Heads
	}
	if a.KeyLength == 0 {
		a.KeyLength = each
	}
	if a.ValueLength == 0 {
		a.ValueLength = each
	}
	r.latent(a)
}

// latent reads multi-head latent attention: a layer caches kv_lora_rank and the rotary part of a key once for all
// heads, and no values. llama.cpp uses it only for files that give the lengths separately (attention.key_length_mla);
// it runs other files with full keys and values.
func (r *reader) latent(a *modelcfg.Architecture) {
	if !r.has("attention.kv_lora_rank") || !r.has("attention.key_length_mla") {
		return
	}
	a.LatentLength = r.optional("attention.kv_lora_rank", maxHeadLength) + r.optional("rope.dimension_count", maxHeadLength)
}

// sliding reads the attention window. A pattern in the GGUF takes precedence over the pattern of the family.
func (r *reader) sliding(a *modelcfg.Architecture) {
	f, known := slidingFamilies[r.family]
	window := r.optional("attention.sliding_window", 1<<24)
	if window == 0 && !r.has("attention.sliding_window") {
		window = f.window
	}
	if window == 0 || !known {
		return
	}
	pattern := f.pattern
	switch v := r.info[r.key("attention.sliding_window_pattern")].(type) {
	case []any:
		var ok bool
		if pattern, ok = regularPattern(v); !ok {
			return
		}
	case float64:
		if n, ok := whole(v, maxLayers); ok && n > 0 {
			pattern = n
		}
	}
	a.SlidingWindow, a.SlidingWindowPattern = window, pattern
}

// regularPattern returns n if every n-th layer has full attention (false) and all others have the window (true).
func regularPattern(layers []any) (int, bool) {
	n := 0
	for l, v := range layers {
		sliding, ok := v.(bool)
		if !ok {
			return 0, false
		}
		if !sliding && n == 0 {
			n = l + 1
		}
	}
	if n == 0 {
		return 0, len(layers) > 0 // all layers have the window; a pattern of 0 means that
	}
	for l, v := range layers {
		if v.(bool) != (l%n < n-1) {
			return 0, false
		}
	}
	return n, true
}

const f32 = 4 // size in bytes; recurrent states and mllama's cross-attention are never quantised

// state returns the bytes per slot that do not depend on the context.
//
// A recurrent layer keeps (conv_kernel-1)·(inner_size+2·group_count·state_size) elements of convolution and
// state_size·inner_size of state (llama-hparams.cpp, n_embd_r and n_embd_s; LFM2 has embedding_length·(l_cache-1), RWKV
// embedding_length·(2+head_size)). A cross-attention layer of mllama keeps keys and values of 4 tiles of 1601 image
// tokens.
func (r *reader) state(a modelcfg.Architecture) int64 {
	n := func(name string) int64 { return int64(r.optional(name, 1<<24)) }
	kernel, inner, groups, size := n("ssm.conv_kernel"), n("ssm.inner_size"), n("ssm.group_count"), n("ssm.state_size")
	each := plus(times(max(kernel-1, 0), plus(inner, times(2, groups, size))), times(size, inner))
	if cache := n("shortconv.l_cache"); cache > 0 {
		each = times(int64(a.EmbeddingLength), cache-1)
	}
	if head := n("wkv.head_size"); head > 0 {
		each = times(int64(a.EmbeddingLength), plus(2, head))
	}
	var bytes int64
	interval := r.optional("full_attention_interval", maxLayers)
	for l, kvHeads := range a.KVHeads {
		if each > 0 && recurrentLayer(a.Family, l, kvHeads, interval) {
			bytes = plus(bytes, times(each, f32))
		}
	}
	cross := r.list("attention.cross_attention_layers", maxLayers)
	if a.Family == "mllama" && cross == nil {
		for l := 3; l < a.Layers; l += 5 { // as in both sizes of the model
			cross = append(cross, l)
		}
	}
	for _, l := range cross {
		if l < len(a.KVHeads) {
			bytes = plus(bytes, times(int64(a.KVHeads[l]), int64(a.KeyLength+a.ValueLength), 4*1601, f32))
		}
	}
	return bytes
}

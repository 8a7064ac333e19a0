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
	a.WindowKeyLength, a.WindowValueLength = r.optional("attention.key_length_swa", maxHeadLength), r.optional("attention.value_length_swa", maxHeadLength)
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
	for l := r.layersWithCache(a.Layers); l < a.Layers; l++ {
		a.KVHeads[l] = 0
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

// layersWithCache returns the number of layers, from the first, that have a cache of their own; the others have none or read the
// cache of an earlier layer (llama.cpp, hparams.n_layer_kv_from_start: src/models/gemma3n.cpp has the constant 20, and
// src/models/gemma4.cpp block_count - attention.shared_kv_layers).
func (r *reader) layersWithCache(layers int) int {
	switch {
	case matches(cacheless, r.family):
		return 0
	case r.family == "gemma3n":
		return min(layers, 20)
	case r.family == "gemma4":
		return max(0, layers-r.optional("attention.shared_kv_layers", maxLayers))
	}
	return layers
}

// latent reads multi-head latent attention: a layer caches kv_lora_rank and the rotary part of a key once for all
// heads, and no values. llama.cpp uses it only for files that give the lengths separately (attention.key_length_mla);
// it runs other files with full keys and values.
func (r *reader) latent(a *modelcfg.Architecture) {
	if !r.has("attention.kv_lora_rank") || !r.has("attention.key_length_mla") {
		return
	}
	a.LatentValueLength = r.optional("attention.kv_lora_rank", maxHeadLength)
	a.LatentLength = a.LatentValueLength + r.optional("rope.dimension_count", maxHeadLength)
}

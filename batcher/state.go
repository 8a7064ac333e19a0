package batcher

import "fluxworker/modelcfg"

const f32 = 4 // size in bytes; recurrent states and mllama's cross-attention are never quantised

// state reads the memory per slot that does not depend on the context, and removes the KV heads of recurrent layers, which
// files with one number of KV heads for all layers give them, too.
//
// A recurrent layer keeps (conv_kernel-1)·(inner_size+2·group_count·state_size) elements of convolution and
// state_size·inner_size of state (llama-hparams.cpp, n_embd_r and n_embd_s; LFM2 has embedding_length·(l_cache-1), RWKV
// embedding_length·(2+head_size)). A cross-attention layer of mllama keeps keys and values of 4 tiles of 1601 image
// tokens.
func (r *reader) state(a *modelcfg.Architecture) {
	n := func(name string) int64 { return int64(r.optional(name, 1<<24)) }
	kernel, inner, groups, size := n("ssm.conv_kernel"), n("ssm.inner_size"), n("ssm.group_count"), n("ssm.state_size")
	convolution := plus(inner, times(2, groups, size))
	each := plus(times(max(kernel-1, 0), convolution), times(size, inner))
	if cache := n("shortconv.l_cache"); cache > 0 {
		each = times(int64(a.EmbeddingLength), cache-1)
	}
	if head := n("wkv.head_size"); head > 0 {
		each = times(int64(a.EmbeddingLength), plus(2, head))
	}
	if each > 0 {
		// The input, the padded input and the output of the convolution, and what the state multiplies
		// (llama.cpp, src/models/delta-net-base.cpp).
		a.RecurrentLength = int(min(plus(times(3, convolution), inner), 1<<24))
	}
	recurrent, certain := r.recurrentLayers(a)
	for l := range a.KVHeads {
		if each > 0 && recurrent[l] {
			a.StateBytes = plus(a.StateBytes, times(each, f32))
			if certain {
				a.KVHeads[l] = 0
			}
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
			a.StateBytes = plus(a.StateBytes, times(int64(a.KVHeads[l]), int64(a.KeyLength+a.ValueLength), 4*1601, f32))
			a.KVHeads[l] = 0
		}
	}
}

// recurrentLayers returns for each layer whether it keeps a state (llama.cpp, hparams.recurrent_layer_arr: src/models/qwen35.cpp
// and qwen3next.cpp, jamba.cpp, plamo2.cpp, granite-hybrid.cpp, lfm2.cpp, nemotron-h.cpp). It is certain if such a layer has no KV
// cache. For families that are not known, each layer counts with a state in addition to its cache, as an upper bound.
func (r *reader) recurrentLayers(a *modelcfg.Architecture) (layers []bool, certain bool) {
	if v, ok := r.info[r.key("attention.recurrent_layers")].([]any); ok {
		if layers, ok := flags(v, a.Layers); ok {
			return layers, true
		}
	}
	interval := r.optional("full_attention_interval", maxLayers)
	if interval == 0 && matches(intervalFamilies, a.Family) {
		interval = 4
	}
	feedForward := r.list("feed_forward_length", 1<<20)
	layers = make([]bool, len(a.KVHeads))
	for l := range layers {
		switch {
		case interval > 0:
			layers[l] = (l+1)%interval != 0
		case matches(hybridFamilies, a.Family):
			// nemotron_h also has layers with neither attention nor state, which have a feed-forward network instead.
			layers[l] = a.KVHeads[l] == 0 && (len(feedForward) != len(layers) || feedForward[l] == 0 || !matches([]string{"nemotron_h*"}, a.Family))
		default:
			layers[l] = true
		}
	}
	return layers, interval > 0 || matches(hybridFamilies, a.Family)
}

package main

import (
	"slices"

	"github.com/ollama/ollama/fs/ggml"
)

// Gemma 3n and Gemma 4 embed a token once more for each layer, and some of their layers have no cache of their own but read the cache
// of an earlier layer.

// llama.cpp has these numbers of Gemma 3n as constants (src/models/gemma3n.cpp and llama-hparams.h).
const (
	streams     = 4 // altup: copies of a token's vector
	laurelRank  = 64
	perLayer3n  = 256
	cached3n    = 20 // layers with a cache of their own
	layers3n    = 25
	perLayer4   = 32
	fullHead4   = 64 // the length of a head in layers with full attention
	windowHead4 = smallHead
)

// windowed says for each layer whether it has a window: all but every n-th.
func windowed(layers, n int) []bool {
	list := make([]bool, layers)
	for l := range list {
		list[l] = (l+1)%n != 0
	}
	return list
}

func gemma3n() *text {
	t := &text{
		arch: "gemma3n", tokenizer: sentencePiece(false), layers: layers3n, headsKV: 1, block: gemma3nBlock,
		metadata: map[string]any{
			"attention.sliding_window":         uint32(512),
			"attention.sliding_window_pattern": windowed(layers3n, 5),
			"attention.shared_kv_layers":       uint32(layers3n - cached3n),
			"altup.num_inputs":                 uint32(streams),
			"altup.active_idx":                 uint32(0),
			"embedding_length_per_layer_input": uint32(perLayer3n),
			"activation_sparsity_scale":        slices.Repeat([]float32{0}, layers3n),
		},
	}
	t.inside = func() []*ggml.Tensor {
		// Each stream is the token's vector, so the streams' mean is, too.
		same := func(i int) float32 {
			if i%small == i/small%small {
				return 1
			}
			return 0
		}
		return append(t.perLayerTensors(perLayer3n),
			tensor("altup_proj.weight", same, small, small, streams-1),
			tensor("altup_unembd_proj.weight", same, small, small, streams-1))
	}
	return t
}

// perLayerTensors are the embeddings for each layer. They are zero, and in four bits because they would be large.
func (t *text) perLayerTensors(length uint64) []*ggml.Tensor {
	all := length * uint64(t.layers)
	return []*ggml.Tensor{
		wholeNumbers("per_layer_token_embd.weight", zero, all, uint64(len(t.tokenizer.chars))),
		tensor("per_layer_model_proj.weight", noise(), small, all),
		tensor("per_layer_proj_norm.weight", one, length),
	}
}

func perLayerBlock(l int, length uint64) []*ggml.Tensor {
	return append(norms(l, "post_norm"),
		tensor(weight(l, "inp_gate"), noise(), small, length),
		tensor(weight(l, "proj"), zero, length, small))
}

func gemma3nBlock(t *text, l int) []*ggml.Tensor {
	random := noise()
	list := append(norms(l, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "altup_correct_scale", "altup_router_norm", "laurel_post_norm"),
		tensor(weight(l, "altup_correct_coef"), zero, streams, streams),
		tensor(weight(l, "altup_predict_coef"), zero, streams, streams*streams),
		tensor(weight(l, "altup_router"), random, small, streams),
		tensor(weight(l, "laurel_l"), random, small, laurelRank),
		tensor(weight(l, "laurel_r"), zero, laurelRank, small),
	)
	list = append(list, perLayerBlock(l, perLayer3n)...)
	list = append(list, headNorms(l)...)
	return append(append(list, t.attention(l)...), t.feedForward(l)...)
}

// gemma4 is built like Gemma 4 E2B: heads are longer in layers with full attention, and the last layers share a cache.
func gemma4() *text {
	const layers, shared = 9, 3
	t := &text{
		arch: "gemma4", tokenizer: sentencePiece(false), layers: layers, headsKV: 1, block: gemma4Block,
		metadata: map[string]any{
			"attention.sliding_window":         uint32(512),
			"attention.sliding_window_pattern": windowed(layers, 3),
			"attention.shared_kv_layers":       uint32(shared),
			"attention.key_length":             uint32(fullHead4),
			"attention.value_length":           uint32(fullHead4),
			"attention.key_length_swa":         uint32(windowHead4),
			"attention.value_length_swa":       uint32(windowHead4),
			"rope.dimension_count":             uint32(fullHead4),
			"rope.dimension_count_swa":         uint32(windowHead4),
			"rope.freq_base_swa":               float32(10000),
			"embedding_length_per_layer_input": uint32(perLayer4),
		},
	}
	t.inside = func() []*ggml.Tensor {
		return append(t.perLayerTensors(perLayer4), tensor("rope_freqs.weight", one, fullHead4/2))
	}
	return t
}

func gemma4Block(t *text, l int) []*ggml.Tensor {
	random, head := noise(), uint64(fullHead4)
	if windowed(t.layers, 3)[l] {
		head = windowHead4
	}
	list := append(norms(l, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"),
		tensor(weight(l, "attn_q"), random, small, smallHeads*head),
		tensor(weight(l, "attn_k"), random, small, uint64(t.headsKV)*head),
		tensor(weight(l, "attn_v"), random, small, uint64(t.headsKV)*head),
		tensor(weight(l, "attn_output"), zero, smallHeads*head, small),
		tensor(weight(l, "attn_q_norm"), one, head),
		tensor(weight(l, "attn_k_norm"), one, head),
	)
	return append(append(list, perLayerBlock(l, perLayer4)...), t.feedForward(l)...)
}

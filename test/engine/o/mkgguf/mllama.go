package main

import (
	"fmt"

	"github.com/ollama/ollama/fs/ggml"
)

const (
	// mllamaImage is the token by which the old generation's engine stands for an image, whatever the tokenizer says.
	mllamaImage = 128256
	// mllamaPositions is how many patches an image has there, and one more.
	mllamaPositions = 40*40 + 1
)

// mllama is Llama 3.2 Vision: the text looks at the image in a layer of its own, by cross-attention. One tile of 40 by 40
// pixels is enough, each of which is a patch.
func mllama() *text {
	return &text{
		arch: "mllama", tokenizer: byteLevel("llama-bpe"), rows: mllamaImage + 1, layers: 3, headsKV: 1, block: mllamaBlock, sees: true,
		metadata: map[string]any{
			"attention.cross_attention_layers":    []int32{mllamaCrossLayer},
			"vision.block_count":                  uint32(1),
			"vision.global.block_count":           uint32(1),
			"vision.intermediate_layers_indices":  []int32{0},
			"vision.embedding_length":             uint32(visionWidth),
			"vision.feed_forward_length":          uint32(visionInner),
			"vision.attention.head_count":         uint32(visionHeads),
			"vision.attention.layer_norm_epsilon": float32(1e-6),
			"vision.image_size":                   uint32(40),
			"vision.patch_size":                   uint32(1),
			"vision.max_num_tiles":                uint32(1),
			"vision.num_channels":                 uint32(3),
		},
		inside: mllamaVision,
	}
}

const mllamaCrossLayer = 1

func mllamaBlock(t *text, l int) []*ggml.Tensor {
	if l != mllamaCrossLayer {
		return llamaBlock(t, l)
	}
	random, open := noise(), constant(10) // the hyperbolic tangent of 10 is 1
	cross := func(name string) string { return weight(l, "cross_attn_"+name) }
	list := append(norms(l, "attn_norm", "ffn_norm"), t.feedForward(l)...)
	return append(list,
		tensor(fmt.Sprintf("blk.%d.cross_attn_attn_gate", l), open, 1),
		tensor(fmt.Sprintf("blk.%d.cross_attn_mlp_gate", l), open, 1),
		tensor(cross("q_norm"), one, smallHead),
		tensor(cross("k_norm"), one, smallHead),
		tensor(cross("q_proj"), random, small, smallHeads*smallHead),
		tensor(cross("k_proj"), zero, small, uint64(t.headsKV*smallHead)), // every patch counts the same
		tensor(cross("v_proj"), colourValues(0.25), small, uint64(t.headsKV*smallHead)),
		tensor(cross("o_proj"), seenColours, smallHeads*smallHead, small),
	)
}

// mllamaVision are the tensors of the image's encoder, which is in the same file.
func mllamaVision() []*ggml.Tensor {
	list := []*ggml.Tensor{
		tensor("v.patch_embd.weight", patchMean(1), 1, 1, 3, visionWidth),
		tensor("v.patch_embd.bias", patchBias, visionWidth),
		tensor("v.class_embd", zero, visionWidth),
		tensor("v.pre_tile_position_embd.weight", zero, visionWidth, 2),
		tensor("v.post_tile_position_embd.weight", zero, visionWidth, 2),
		tensor("v.position_embd.weight", zero, visionWidth, mllamaPositions),
		tensor("v.tile_position_embd.weight", zero, visionWidth*mllamaPositions, 2),
		// The encoder's result and that of its first layer come side by side.
		tensor("mm.0.weight", matrix(2*visionWidth, func(r, c int) float32 { return projected(c, r) }), 2*visionWidth, small),
	}
	for _, norm := range []string{"pre_ln", "post_ln"} {
		list = append(list, layerNorm("v."+norm)...)
	}
	for _, block := range []string{"v.blk.0.", "v.global.blk.0."} {
		list = append(list, layerNorm(block+"attn_norm")...)
		list = append(list, layerNorm(block+"ffn_norm")...)
		list = append(list, visionBlock(block, "attn_output", "ffn_up", "ffn_down")...)
	}
	return list
}

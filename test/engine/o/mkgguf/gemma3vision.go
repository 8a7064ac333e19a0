package main

import "github.com/ollama/ollama/fs/ggml"

// The image of the Gemma 3 models: 56 by 56 pixels, patches of 7 by 7, of which 4 by 4 become one token.
const (
	imageSize = 56
	patchSize = 7
	merged    = 4
	patches   = imageSize / patchSize * imageSize / patchSize
)

var gemma3Window = map[string]any{"attention.sliding_window": uint32(512)}

// gemma3Split is a model whose projector is in a file of its own.
func gemma3Split() *text {
	return &text{
		arch: "gemma3", tokenizer: sentencePiece(false, "<start_of_image>", "<end_of_image>"), layers: 7, headsKV: 1, block: gemma3Block,
		metadata: gemma3Window, sees: true,
	}
}

// gemma3Whole is a model as Ollama's library has it, with the projector in the same file. The old generation's engine begins
// and ends an image with tokens 255999 and 256000, whatever the tokenizer says.
func gemma3Whole() *text {
	t := gemma3Split()
	t.rows, t.inside = 256001, gemma3Vision
	t.metadata = map[string]any{
		"attention.sliding_window":            uint32(512),
		"mm_tokens_per_image":                 uint32(patches / merged / merged),
		"vision.image_size":                   uint32(imageSize),
		"vision.patch_size":                   uint32(patchSize),
		"vision.num_channels":                 uint32(3),
		"vision.embedding_length":             uint32(visionWidth),
		"vision.feed_forward_length":          uint32(visionInner),
		"vision.block_count":                  uint32(1),
		"vision.attention.head_count":         uint32(visionHeads),
		"vision.attention.layer_norm_epsilon": float32(1e-6),
	}
	return t
}

// gemma3Vision are the tensors of gemma3Whole's encoder, by Ollama's names.
func gemma3Vision() []*ggml.Tensor {
	list := []*ggml.Tensor{
		tensor("v.patch_embedding.weight", patchMean(patchSize), patchSize, patchSize, 3, visionWidth),
		tensor("v.patch_embedding.bias", patchBias, visionWidth),
		tensor("v.position_embedding.weight", zero, visionWidth, patches),
		tensor("mm.mm_soft_emb_norm.weight", one, visionWidth),
		tensor("mm.mm_input_projection.weight", matrix(small, projected), small, visionWidth),
	}
	for _, norm := range []string{"v.post_layernorm", "v.blk.0.layer_norm1", "v.blk.0.layer_norm2"} {
		list = append(list, layerNorm(norm)...)
	}
	return append(list, visionBlock("v.blk.0.", "attn_output", "mlp.fc1", "mlp.fc2")...)
}

// gemma3Projector is the file beside gemma3Split, by llama.cpp's names.
func gemma3Projector() (ggml.KV, []*ggml.Tensor) {
	kv := ggml.KV{
		"general.architecture":                "clip",
		"general.name":                        "tiny projector",
		"general.type":                        "mmproj",
		"general.file_type":                   uint32(0),
		"has_vision_encoder":                  true,
		"projector_type":                      "gemma3",
		"use_gelu":                            true,
		"vision.image_size":                   uint32(imageSize),
		"vision.patch_size":                   uint32(patchSize),
		"vision.embedding_length":             uint32(visionWidth),
		"vision.feed_forward_length":          uint32(visionInner),
		"vision.block_count":                  uint32(1),
		"vision.projection_dim":               uint32(small),
		"vision.projector.scale_factor":       uint32(merged),
		"vision.attention.head_count":         uint32(visionHeads),
		"vision.attention.layer_norm_epsilon": float32(1e-6),
		"vision.image_mean":                   []float32{0.5, 0.5, 0.5},
		"vision.image_std":                    []float32{0.5, 0.5, 0.5},
	}
	list := []*ggml.Tensor{
		tensor("v.patch_embd.weight", patchMean(patchSize), patchSize, patchSize, 3, visionWidth),
		tensor("v.patch_embd.bias", patchBias, visionWidth),
		tensor("v.position_embd.weight", zero, visionWidth, patches),
		tensor("mm.soft_emb_norm.weight", one, visionWidth),
		tensor("mm.input_projection.weight", matrix(small, projected), small, visionWidth),
	}
	for _, norm := range []string{"v.post_ln", "v.blk.0.ln1", "v.blk.0.ln2"} {
		list = append(list, layerNorm(norm)...)
	}
	return kv, append(list, visionBlock("v.blk.0.", "attn_out", "ffn_up", "ffn_down")...)
}

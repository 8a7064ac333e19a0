package main

import "github.com/ollama/ollama/fs/ggml"

// The dimensions of the small model with multi-head latent attention: a token is cached as a latent vector and the rotary part of
// one key.
const (
	latentKV    = 64 // kv_lora_rank
	latentQuery = 48 // q_lora_rank
	latentRope  = 32
	latentPlain = 32 // the part of a key without positions
	latentValue = 32
)

// deepseek2 is built like DeepSeek V3.1: the first block is dense, and the keys and values of the heads are made of the latent
// vector by matrices of their own (attn_k_b and attn_v_b).
func deepseek2() *text {
	return &text{
		arch: "deepseek2", tokenizer: byteLevel("deepseek-v3"), layers: 6, headsKV: 1, experts: 4, block: latentBlock,
		metadata: expertKeys(4, 2, map[string]any{
			"attention.key_length":                 uint32(latentKV + latentRope),
			"attention.value_length":               uint32(latentKV),
			"attention.key_length_mla":             uint32(latentPlain + latentRope),
			"attention.value_length_mla":           uint32(latentValue),
			"attention.kv_lora_rank":               uint32(latentKV),
			"attention.q_lora_rank":                uint32(latentQuery),
			"rope.dimension_count":                 uint32(latentRope),
			"rope.scaling.type":                    "yarn",
			"rope.scaling.factor":                  float32(40),
			"rope.scaling.original_context_length": uint32(4096),
			"rope.scaling.yarn_log_multiplier":     float32(0.1),
			"leading_dense_block_count":            uint32(1),
			"expert_shared_count":                  uint32(1),
			"expert_weights_scale":                 float32(2.5),
			"expert_weights_norm":                  true,
			"expert_gating_func":                   uint32(2), // sigmoid
		}),
	}
}

// glm4MoELite is built like GLM 4.7 Flash in Ollama's library: DeepSeek's blocks by another name, and without stretched positions.
// Its keys for the latent cache have the opposite meaning (v0.24.0 convert/convert_glm4moelite.go).
func glm4MoELite() *text {
	t := deepseek2()
	t.arch, t.tokenizer = "glm4moelite", byteLevel("glm4")
	for _, key := range []string{"type", "factor", "original_context_length", "yarn_log_multiplier"} {
		delete(t.metadata, "rope.scaling."+key)
	}
	for key, length := range map[string]int{
		"attention.key_length": latentPlain + latentRope, "attention.value_length": latentValue,
		"attention.key_length_mla": latentKV + latentRope, "attention.value_length_mla": latentKV,
	} {
		t.metadata[key] = uint32(length)
	}
	t.metadata["attention.head_count_kv"] = uint32(smallHeads)
	return t
}

func latentBlock(t *text, l int) []*ggml.Tensor {
	random := noise()
	list := append(norms(l, "attn_norm", "ffn_norm"),
		tensor(weight(l, "attn_q_a"), random, small, latentQuery),
		tensor(weight(l, "attn_q_a_norm"), one, latentQuery),
		tensor(weight(l, "attn_q_b"), random, latentQuery, smallHeads*(latentPlain+latentRope)),
		tensor(weight(l, "attn_kv_a_mqa"), random, small, latentKV+latentRope),
		tensor(weight(l, "attn_kv_a_norm"), one, latentKV),
		tensor(weight(l, "attn_k_b"), random, latentPlain, latentKV, smallHeads),
		tensor(weight(l, "attn_v_b"), random, latentKV, latentValue, smallHeads),
		tensor(weight(l, "attn_output"), zero, smallHeads*latentValue, small),
	)
	if l == 0 {
		return append(list, t.feedForward(l)...)
	}
	return append(append(list, t.expertFeedForward(l)...), sharedExpert(l)...)
}

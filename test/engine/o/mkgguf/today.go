package main

import (
	"maps"

	"github.com/ollama/ollama/fs/ggml"
)

// todaysFamilies are small models of the architectures that popular models have today. Their caches are as large as the tests need
// to see windows, shared layers and states in them. The names of tensors and keys are those of llama.cpp (src/models/*.cpp) and of
// Ollama v0.24.0 (model/models/*), which are the same.
func todaysFamilies() map[string]*text {
	return map[string]*text{
		"tiny-qwen3": {
			arch: "qwen3", tokenizer: byteLevel("qwen2"), layers: 6, headsKV: 1, block: qwen3Block,
		},
		"tiny-qwen3moe": {
			arch: "qwen3moe", tokenizer: byteLevel("qwen2"), layers: 6, headsKV: 1, experts: 4, block: qwen3Block,
			metadata: expertKeys(4, 2, nil),
		},
		"tiny-gemma2": {
			arch: "gemma2", tokenizer: sentencePiece(false), layers: 4, headsKV: 1, tied: true, block: gemma2Block,
			metadata: map[string]any{"attention.sliding_window": uint32(512)},
		},
		"tiny-gpt-oss":     gptOSS("gpt-oss"),
		"tiny-gptoss":      gptOSS("gptoss"),
		"tiny-deepseek2":   deepseek2(),
		"tiny-glm4moelite": glm4MoELite(),
		"tiny-olmo2": {
			arch: "olmo2", tokenizer: byteLevel("qwen2"), layers: 4, headsKV: 1, block: olmo2Block,
		},
		"tiny-olmo2-windows": {
			arch: "olmo2", tokenizer: byteLevel("qwen2"), layers: 4, headsKV: 1, block: olmo2Block,
			metadata: map[string]any{"attention.sliding_window": uint32(512)},
		},
		"tiny-olmo3": {
			arch: "olmo3", tokenizer: byteLevel("qwen2"), layers: 8, headsKV: 1, block: olmo2Block,
			metadata: map[string]any{"attention.sliding_window": uint32(512), "attention.sliding_window_pattern": windowed(8, 4)},
		},
		"tiny-granite": {
			arch: "granite", tokenizer: byteLevel("refact"), layers: 4, headsKV: 1, block: llamaBlock,
			metadata: graniteScales(),
		},
		"tiny-granitehybrid": graniteHybrid(),
		"tiny-command-r": {
			arch: "command-r", tokenizer: byteLevel("command-r"), layers: 4, headsKV: 1, tied: true, block: cohereBlock,
			metadata: cohereKeys(nil),
		},
		"tiny-cohere2": {
			arch: "cohere2", tokenizer: byteLevel("command-r"), layers: 4, headsKV: 1, tied: true, block: cohereBlock,
			metadata: cohereKeys(map[string]any{"attention.sliding_window": uint32(512)}),
		},
		"tiny-glm4": {
			arch: "glm4", tokenizer: byteLevel("glm4"), layers: 4, headsKV: 1, block: glm4Block,
		},
		"tiny-glm4moe": { // the last block predicts further tokens, and has no cache
			arch: "glm4moe", tokenizer: byteLevel("glm4"), layers: 4, headsKV: 1, experts: 4, block: glm4MoEBlock,
			metadata: expertKeys(4, 2, map[string]any{
				"expert_shared_count": uint32(1), "expert_weights_scale": float32(1), "leading_dense_block_count": uint32(1), "nextn_predict_layers": uint32(1),
			}),
		},
		"tiny-phi4": { // of a model that is called phi3, llama.cpp demands the tokens of Phi 3
			arch: "phi3", tokenizer: byteLevel("dbrx"), layers: 4, headsKV: 1, block: phi3Block,
			metadata: map[string]any{"general.name": "tiny phi4", "attention.sliding_window": uint32(0)},
		},
		"tiny-qwen3vl": {
			arch: "qwen3vl", tokenizer: byteLevel("qwen2"), layers: 6, headsKV: 1, block: qwen3Block,
			metadata: map[string]any{
				"rope.dimension_sections": []int32{8, 4, 4, 0}, "mrope_sections": []int32{8, 4, 4}, "n_deepstack_layers": uint32(0),
				"vision.block_count": uint32(0),
			},
		},
		"tiny-qwen25vl": {
			arch: "qwen25vl", tokenizer: byteLevel("qwen2"), layers: 6, headsKV: 1, block: qwen2Block,
			metadata: map[string]any{"rope.mrope_section": []int32{8, 4, 4}, "vision.block_count": uint32(0)},
		},
		"tiny-qwen2vl": {
			arch: "qwen2vl", tokenizer: byteLevel("qwen2"), layers: 4, headsKV: 1, block: qwen2Block,
			metadata: map[string]any{"rope.dimension_sections": []int32{8, 4, 4, 0}},
		},
		"tiny-qwen35":     deltaNet("qwen35", 0),
		"tiny-qwen35moe":  deltaNet("qwen35moe", 4),
		"tiny-qwen3next":  deltaNet("qwen3next", 4),
		"tiny-lfm2":       lfm2(),
		"tiny-nemotron_h": nemotronH(),
		"tiny-llama4": { // 16 experts are Scout; a window is 8192 tokens in any file
			arch: "llama4", tokenizer: byteLevel("llama4"), layers: 4, headsKV: 1, experts: 16, block: llama4Block,
			metadata: expertKeys(16, 1, map[string]any{
				"interleave_moe_layer_step": uint32(2), "context_length": uint32(2 * longContext), "attention.head_dim": uint32(smallHead),
			}),
		},
		"tiny-gemma3n": gemma3n(),
		"tiny-gemma4":  gemma4(),
	}
}

// gptOSS is one model by two names of its architecture: that of llama.cpp's conversion, and that of Ollama's.
func gptOSS(arch string) *text {
	return &text{
		arch: arch, tokenizer: byteLevel("gpt-4o"), layers: 8, headsKV: 1, experts: 4, block: gptOSSBlock,
		metadata: expertKeys(4, 2, map[string]any{
			"attention.sliding_window":             uint32(128),
			"rope.scaling.type":                    "yarn",
			"rope.scaling.factor":                  float32(32),
			"rope.scaling.original_context_length": uint32(4096),
		}),
	}
}

// longContext is above the largest window that an engine sets by itself.
const longContext = 16384

// expertKeys are those of a model with experts, added to its other keys.
func expertKeys(all, used uint32, others map[string]any) map[string]any {
	keys := map[string]any{
		"expert_count":               all,
		"expert_used_count":          used,
		"expert_feed_forward_length": uint32(smallInner),
	}
	maps.Copy(keys, others)
	return keys
}

func graniteScales() map[string]any {
	return map[string]any{
		"logit_scale": float32(1), "residual_scale": float32(1), "embedding_scale": float32(1), "attention.scale": float32(0.125),
	}
}

func cohereKeys(others map[string]any) map[string]any {
	keys := map[string]any{"logit_scale": float32(1), "attention.layer_norm_epsilon": float32(1e-5)}
	maps.Copy(keys, others)
	return keys
}

// qwen3Block has norms on queries and keys, and may have experts.
func qwen3Block(t *text, l int) []*ggml.Tensor {
	return append(llamaBlock(t, l), headNorms(l)...)
}

func headNorms(l int) []*ggml.Tensor {
	return []*ggml.Tensor{tensor(weight(l, "attn_q_norm"), one, smallHead), tensor(weight(l, "attn_k_norm"), one, smallHead)}
}

// gemma2Block norms the output of the feed-forward, which makes the length of the last block's 8 again. The weight makes it large
// beside the token's own vector.
func gemma2Block(t *text, l int) []*ggml.Tensor {
	list := append(norms(l, "attn_norm", "post_attention_norm", "ffn_norm"), t.attention(l)...)
	list = append(list, tensor(weight(l, "post_ffw_norm"), constant(4), small))
	return append(list, t.feedForward(l)...)
}

// gptOSSBlock has biases everywhere, and sinks in its attention. The biases of what is added are zero.
func gptOSSBlock(t *text, l int) []*ggml.Tensor {
	random, n := noise(), uint64(t.experts)
	list := append(norms(l, "attn_norm", "post_attention_norm"), t.attention(l)...)
	list = append(list, t.attentionBias(l)...)
	list = append(list, t.expertFeedForward(l)...)
	return append(list,
		tensor(weight(l, "attn_sinks"), random, smallHeads),
		tensor(bias(l, "attn_output"), zero, small),
		tensor(bias(l, "ffn_gate_inp"), random, n),
		tensor(bias(l, "ffn_gate_exps"), random, smallInner, n),
		tensor(bias(l, "ffn_up_exps"), random, smallInner, n),
		tensor(bias(l, "ffn_down_exps"), zero, small, n),
	)
}

// olmo2Block norms the output of attention and feed-forward instead of their input, and all queries and keys of a token at once.
func olmo2Block(t *text, l int) []*ggml.Tensor {
	list := append(norms(l, "post_attention_norm", "post_ffw_norm"), t.attention(l)...)
	list = append(list,
		tensor(weight(l, "attn_q_norm"), one, smallHeads*smallHead),
		tensor(weight(l, "attn_k_norm"), one, uint64(t.headsKV*smallHead)))
	return append(list, t.feedForward(l)...)
}

// cohereBlock computes attention and feed-forward from the same norm.
func cohereBlock(t *text, l int) []*ggml.Tensor {
	return append(append(norms(l, "attn_norm"), t.attention(l)...), t.feedForward(l)...)
}

// glm4Block has one matrix for both halves of the feed-forward.
func glm4Block(t *text, l int) []*ggml.Tensor {
	list := append(norms(l, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"), t.attention(l)...)
	return append(list,
		tensor(weight(l, "ffn_up"), noise(), small, 2*smallInner),
		tensor(weight(l, "ffn_down"), zero, smallInner, small))
}

// glm4MoEBlock has biases on queries, keys and values, and experts in all blocks but the first.
func glm4MoEBlock(t *text, l int) []*ggml.Tensor {
	list := append(norms(l, "attn_norm", "post_attention_norm"), t.attention(l)...)
	list = append(append(list, t.attentionBias(l)...), headNorms(l)...)
	if l == 0 {
		return append(list, t.feedForward(l)...)
	}
	list = append(append(list, t.expertFeedForward(l)...), sharedExpert(l)...)
	list = append(list, tensor(bias(l, "exp_probs_b"), noise(), uint64(t.experts)))
	if l == t.layers-1 {
		list = append(append(list, norms(l, "nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm")...),
			tensor(weight(l, "nextn.eh_proj"), noise(), 2*small, small))
	}
	return list
}

// llama4Block has experts in every second block, and an expert that all tokens share.
func llama4Block(t *text, l int) []*ggml.Tensor {
	list := append(norms(l, "attn_norm", "ffn_norm"), t.attention(l)...)
	if l%2 == 0 {
		return append(list, t.feedForward(l)...)
	}
	return append(append(list, t.expertFeedForward(l)...), sharedExpert(l)...)
}

func sharedExpert(l int) []*ggml.Tensor {
	random := noise()
	return []*ggml.Tensor{
		tensor(weight(l, "ffn_gate_shexp"), random, small, smallInner),
		tensor(weight(l, "ffn_up_shexp"), random, small, smallInner),
		tensor(weight(l, "ffn_down_shexp"), zero, smallInner, small),
	}
}

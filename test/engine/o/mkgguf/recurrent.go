package main

import (
	"fmt"

	"github.com/ollama/ollama/fs/ggml"
)

// The dimensions of the recurrent layers.
const (
	stateSize   = 128
	convolution = 4 // tokens

	deltaKeys   = 2 // heads of keys, and of values
	deltaValues = 4
	deltaInner  = deltaValues * stateSize
	deltaMixed  = deltaInner + 2*deltaKeys*stateSize // what the convolution sees

	mambaInner = 2 * small // llama.cpp runs granitehybrid with no other width
	mambaHeads = 4
	mambaMixed = mambaInner + 2*stateSize

	shortConvolution = 513 // tokens; real models have 3, and a state that is too small for a log
)

func recurrentKeys(inner, heads, groups uint32) map[string]any {
	return map[string]any{
		"ssm.conv_kernel":    uint32(convolution),
		"ssm.inner_size":     inner,
		"ssm.state_size":     uint32(stateSize),
		"ssm.time_step_rank": heads,
		"ssm.group_count":    groups,
	}
}

// deltaNet is a model of Qwen's with a gated delta net in three layers of four, and experts or none.
func deltaNet(arch string, experts int) *text {
	keys := recurrentKeys(deltaInner, deltaValues, deltaKeys)
	keys["full_attention_interval"] = uint32(4)
	keys["rope.dimension_sections"] = []int32{8, 4, 4, 0}
	if arch == "qwen3next" {
		delete(keys, "rope.dimension_sections")
	}
	if experts > 0 {
		keys = expertKeys(uint32(experts), 2, keys)
		keys["expert_shared_feed_forward_length"] = uint32(smallInner)
	}
	return &text{
		arch: arch, tokenizer: byteLevel("qwen2"), layers: 4, headsKV: 1, experts: experts, block: deltaNetBlock, metadata: keys,
	}
}

func deltaNetBlock(t *text, l int) []*ggml.Tensor {
	random := noise()
	list := norms(l, "attn_norm", "post_attention_norm")
	if (l+1)%4 == 0 {
		list = append(list, headNorms(l)...)
		for _, a := range t.attention(l) {
			if a.Name == weight(l, "attn_q") { // beside each query its gate
				a = tensor(a.Name, random, small, 2*smallHeads*smallHead)
			}
			list = append(list, a)
		}
	} else {
		list = append(list,
			tensor(weight(l, "ssm_conv1d"), random, convolution, deltaMixed),
			tensor(bias(l, "ssm_dt"), random, deltaValues),
			tensor(fmt.Sprintf("blk.%d.ssm_a", l), constant(-1), deltaValues),
			tensor(weight(l, "ssm_norm"), one, stateSize),
			tensor(weight(l, "ssm_out"), zero, deltaInner, small),
		)
		if t.arch == "qwen3next" {
			list = append(list,
				tensor(weight(l, "ssm_in"), random, small, deltaMixed+deltaInner),
				tensor(weight(l, "ssm_ba"), random, small, 2*deltaValues))
		} else {
			list = append(list,
				tensor(weight(l, "attn_qkv"), random, small, deltaMixed),
				tensor(weight(l, "attn_gate"), random, small, deltaInner),
				tensor(weight(l, "ssm_beta"), random, small, deltaValues),
				tensor(weight(l, "ssm_alpha"), random, small, deltaValues))
		}
	}
	if t.experts == 0 {
		return append(list, t.feedForward(l)...)
	}
	list = append(append(list, t.expertFeedForward(l)...), sharedExpert(l)...)
	return append(list, tensor(weight(l, "ffn_gate_inp_shexp"), random, small))
}

// graniteHybrid is built like Granite 4: Mamba 2 in most layers, which have no KV heads, and attention without positions in few.
func graniteHybrid() *text {
	keys := recurrentKeys(mambaInner, mambaHeads, 1)
	for key, scale := range graniteScales() {
		keys[key] = scale
	}
	const layers = 8
	heads := make([]int32, layers)
	for l := range heads {
		if attends(l) {
			heads[l] = 1
		}
	}
	keys["attention.head_count_kv"] = heads
	return &text{
		arch: "granitehybrid", tokenizer: byteLevel("refact"), layers: layers, headsKV: 1, block: graniteHybridBlock, metadata: keys,
	}
}

// attends says which layers of graniteHybrid and lfm2 have attention.
func attends(l int) bool { return l == 2 || l == 6 }

func graniteHybridBlock(t *text, l int) []*ggml.Tensor {
	if attends(l) {
		return llamaBlock(t, l)
	}
	list := append(norms(l, "attn_norm", "ffn_norm"), mamba(l)...)
	return append(list, t.feedForward(l)...)
}

func mamba(l int) []*ggml.Tensor {
	random := noise()
	return []*ggml.Tensor{
		tensor(weight(l, "ssm_in"), random, small, mambaInner+mambaMixed+mambaHeads),
		tensor(weight(l, "ssm_conv1d"), random, convolution, mambaMixed),
		tensor(bias(l, "ssm_conv1d"), random, mambaMixed),
		tensor(bias(l, "ssm_dt"), random, mambaHeads),
		tensor(fmt.Sprintf("blk.%d.ssm_a", l), constant(-1), 1, mambaHeads),
		tensor(fmt.Sprintf("blk.%d.ssm_d", l), one, 1, mambaHeads),
		tensor(weight(l, "ssm_norm"), one, mambaInner, 1),
		tensor(weight(l, "ssm_out"), zero, mambaInner, small),
	}
}

// nemotronH is built like Nemotron Nano: a block is Mamba 2, attention, or a feed-forward without a gate.
func nemotronH() *text {
	keys := recurrentKeys(mambaInner, mambaHeads, 1)
	heads, inner := make([]int32, len(nemotronBlocks)), make([]int32, len(nemotronBlocks))
	for l, kind := range nemotronBlocks {
		switch kind {
		case '*':
			heads[l] = 1
		case '-':
			inner[l] = smallInner
		}
	}
	keys["attention.head_count_kv"], keys["feed_forward_length"] = heads, inner
	keys["attention.layer_norm_epsilon"] = float32(1e-5)
	return &text{
		arch: "nemotron_h", tokenizer: byteLevel("tekken"), layers: len(nemotronBlocks), headsKV: 1, block: nemotronBlock, metadata: keys,
	}
}

// nemotronBlocks has a character for each block, as in the configuration of such models (hybrid_override_pattern).
const nemotronBlocks = "M-M*-M-M*-"

func nemotronBlock(t *text, l int) []*ggml.Tensor {
	list := norms(l, "attn_norm")
	switch nemotronBlocks[l] {
	case 'M':
		return append(list, mamba(l)...)
	case '*':
		return append(list, t.attention(l)...)
	}
	return append(list,
		tensor(weight(l, "ffn_up"), noise(), small, smallInner),
		tensor(weight(l, "ffn_down"), zero, smallInner, small))
}

// lfm2 has a short convolution in the layers without KV heads. Its output norm has the name of another tensor in all files.
func lfm2() *text {
	const layers = 8
	heads := make([]int32, layers)
	for l := range heads {
		if attends(l) {
			heads[l] = 1
		}
	}
	t := &text{
		arch: "lfm2", tokenizer: byteLevel("lfm2"), layers: layers, headsKV: 1, block: lfm2Block,
		metadata: map[string]any{"shortconv.l_cache": uint32(shortConvolution), "attention.head_count_kv": heads},
	}
	t.inside = func() []*ggml.Tensor { return []*ggml.Tensor{tensor("token_embd_norm.weight", one, small)} }
	return t
}

func lfm2Block(t *text, l int) []*ggml.Tensor {
	if attends(l) {
		return qwen3Block(t, l)
	}
	random := noise()
	list := append(norms(l, "attn_norm", "ffn_norm"),
		tensor(weight(l, "shortconv.conv"), random, shortConvolution, small),
		tensor(weight(l, "shortconv.in_proj"), random, small, 3*small),
		tensor(weight(l, "shortconv.out_proj"), zero, small, small))
	return append(list, t.feedForward(l)...)
}

package main

import (
	"fmt"
	"maps"

	"github.com/ollama/ollama/fs/ggml"
)

// The dimensions of the small models: one for each kind of character that the rule tells apart, and some for what an image
// shows (see vision.go).
const (
	small      = 64 // width
	otherKind  = 36 // 0 to 9 are digits, 10 to 35 letters
	smallHead  = 32
	smallHeads = 2
	smallInner = 96 // width of the feed-forward
)

// kind is the dimension of a character's embedding.
func kind(char int) int {
	switch {
	case char >= '0' && char <= '9':
		return char - '0'
	case char >= 'a' && char <= 'z':
		return 10 + char - 'a'
	}
	return otherKind
}

// charOf is a character of a kind.
func charOf(kind int) int {
	const all = "0123456789abcdefghijklmnopqrstuvwxyz?"
	return int(all[kind])
}

// text is a small language model of some architecture that follows the rule of the package: its blocks are computed, and
// add nothing.
type text struct {
	arch      string
	tokenizer *tokenizer
	layers    int
	headsKV   int
	experts   int
	sees      bool           // images, with a projector
	tied      bool           // the output matrix is the embedding: see tied.go
	rows      int            // of the embedding, where an engine wants more than the tokenizer has
	metadata  map[string]any // what the architecture has beside what all have; keys without its name
	phrases   []phrase       // that it says instead of what the rule makes
	block     func(t *text, l int) []*ggml.Tensor
	inside    func() []*ggml.Tensor // what encodes images, where it is in the same file
}

func (t *text) kv() ggml.KV {
	kv := ggml.KV{
		"general.architecture":             t.arch,
		"general.name":                     "tiny " + t.arch,
		"general.file_type":                uint32(0),
		"block_count":                      uint32(t.layers),
		"context_length":                   uint32(context),
		"embedding_length":                 uint32(small),
		"feed_forward_length":              uint32(smallInner),
		"attention.head_count":             uint32(smallHeads),
		"attention.head_count_kv":          uint32(t.headsKV),
		"attention.key_length":             uint32(smallHead),
		"attention.value_length":           uint32(smallHead),
		"attention.layer_norm_rms_epsilon": float32(1e-5),
		"rope.dimension_count":             uint32(smallHead),
		"rope.freq_base":                   float32(10000),
		"vocab_size":                       uint32(len(t.tokenizer.chars)),
	}
	maps.Copy(kv, t.tokenizer.metadata)
	maps.Copy(kv, t.metadata)
	return kv
}

func (t *text) tensors() []*ggml.Tensor {
	rule := t.rule()
	if t.sees {
		rule = t.seeingRule()
	}
	embedding := tensor
	if t.rows > 0 {
		embedding = wholeNumbers // it would be large
	}
	list := []*ggml.Tensor{
		embedding("token_embd.weight", matrix(small, t.embedding()), small, uint64(max(t.rows, len(t.tokenizer.chars)))),
	}
	if t.arch != "lfm2" { // see lfm2
		list = append(list, tensor("output_norm.weight", one, small))
	}
	if !t.tied {
		list = append(list, tensor("output.weight", matrix(small, rule), small, uint64(len(t.tokenizer.chars))))
	}
	for l := range t.layers {
		list = append(list, t.block(t, l)...)
	}
	if t.inside != nil {
		list = append(list, t.inside()...)
	}
	return list
}

// embedding is one-hot in the kind of the token's character, or in what a phrase's token has for itself. Of a model that sees
// it says, too, that this is text.
func (t *text) embedding() func(token, dimension int) float32 {
	own, _ := t.chain()
	return func(token, dimension int) float32 {
		hot := otherKind
		if d, ok := own[token]; ok {
			hot = d
		} else if token < len(t.tokenizer.chars) {
			hot = kind(t.tokenizer.chars[token])
		}
		if t.tied {
			hot = t.tiedKind(token, hot)
		}
		if dimension == hot || t.sees && dimension == textDimension {
			return 1
		}
		return 0
	}
}

// rule makes the output matrix: to each kind of character, and in phrases, the token that follows.
func (t *text) rule() func(token, dimension int) float32 {
	_, next := t.chain()
	for k := range otherKind + 1 {
		next[k] = t.tokenizer.tokenOf(following(charOf(k)))
	}
	return func(token, dimension int) float32 {
		if follows, ok := next[dimension]; ok && follows == token {
			return 2 * logit // the normalised vector's one entry is half as large as with 288 dimensions
		}
		return 0
	}
}

// weight names a tensor of a block.
func weight(l int, name string) string { return fmt.Sprintf("blk.%d.%s.weight", l, name) }

// bias names the bias of a tensor of a block.
func bias(l int, name string) string { return fmt.Sprintf("blk.%d.%s.bias", l, name) }

func norms(l int, names ...string) []*ggml.Tensor {
	var list []*ggml.Tensor
	for _, name := range names {
		list = append(list, tensor(weight(l, name), one, small))
	}
	return list
}

// attention is that of most architectures. Its output is multiplied by zero.
func (t *text) attention(l int) []*ggml.Tensor {
	random := noise()
	return []*ggml.Tensor{
		tensor(weight(l, "attn_q"), random, small, smallHeads*smallHead),
		tensor(weight(l, "attn_k"), random, small, uint64(t.headsKV*smallHead)),
		tensor(weight(l, "attn_v"), random, small, uint64(t.headsKV*smallHead)),
		tensor(weight(l, "attn_output"), zero, smallHeads*smallHead, small),
	}
}

func (t *text) feedForward(l int) []*ggml.Tensor {
	if t.tied && l == t.layers-1 {
		return leadingFeedForward(l)
	}
	random := noise()
	return []*ggml.Tensor{
		tensor(weight(l, "ffn_gate"), random, small, smallInner),
		tensor(weight(l, "ffn_up"), random, small, smallInner),
		tensor(weight(l, "ffn_down"), zero, smallInner, small),
	}
}

// llamaBlock is that of Llama and of what is run as such: Mistral and, with experts, Mixtral.
func llamaBlock(t *text, l int) []*ggml.Tensor {
	list := append(norms(l, "attn_norm", "ffn_norm"), t.attention(l)...)
	if t.experts == 0 {
		return append(list, t.feedForward(l)...)
	}
	return append(list, t.expertFeedForward(l)...)
}

func (t *text) expertFeedForward(l int) []*ggml.Tensor {
	random, n := noise(), uint64(t.experts)
	return []*ggml.Tensor{
		tensor(weight(l, "ffn_gate_inp"), random, small, n),
		tensor(weight(l, "ffn_gate_exps"), random, small, smallInner, n),
		tensor(weight(l, "ffn_up_exps"), random, small, smallInner, n),
		tensor(weight(l, "ffn_down_exps"), zero, smallInner, small, n),
	}
}

// qwen2Block has biases in its attention.
func qwen2Block(t *text, l int) []*ggml.Tensor {
	return append(llamaBlock(t, l), t.attentionBias(l)...)
}

func (t *text) attentionBias(l int) []*ggml.Tensor {
	random := noise()
	return []*ggml.Tensor{
		tensor(bias(l, "attn_q"), random, smallHeads*smallHead),
		tensor(bias(l, "attn_k"), random, uint64(t.headsKV*smallHead)),
		tensor(bias(l, "attn_v"), random, uint64(t.headsKV*smallHead)),
	}
}

// phi3Block has one matrix for queries, keys and values, and one for both halves of the feed-forward.
func phi3Block(t *text, l int) []*ggml.Tensor {
	random := noise()
	return append(norms(l, "attn_norm", "ffn_norm"),
		tensor(weight(l, "attn_qkv"), random, small, uint64((smallHeads+2*t.headsKV)*smallHead)),
		tensor(weight(l, "attn_output"), zero, smallHeads*smallHead, small),
		tensor(weight(l, "ffn_up"), random, small, 2*smallInner),
		tensor(weight(l, "ffn_down"), zero, smallInner, small),
	)
}

// gemma3Block has norms on queries and keys, and behind attention and feed-forward.
func gemma3Block(t *text, l int) []*ggml.Tensor {
	list := norms(l, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
	sharpness := one
	if t.sees && l == 0 {
		list = append(list, t.lookingAttention(l)...)
		sharpness = constant(4) // e to the 22nd for a token of an image, 1 for the others
	} else {
		list = append(list, t.attention(l)...)
	}
	list = append(list, tensor(weight(l, "attn_q_norm"), sharpness, smallHead), tensor(weight(l, "attn_k_norm"), one, smallHead))
	return append(list, t.feedForward(l)...)
}

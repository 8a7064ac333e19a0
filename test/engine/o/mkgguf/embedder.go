package main

import (
	"fmt"

	"github.com/ollama/ollama/fs/ggml"
)

// The embedder makes vectors and nothing else. Its vector of a text counts characters: its blocks add nothing, and what is left
// is the mean over the tokens (begin and end are two of them) of a vector that is one-hot in the token's character, less its
// own mean, since layers are normed. Element d of a text of n tokens is so proportional to (tokens of kind d) - n/small.
//
// The elements are those of kind, then unknown words, begin and end.
const (
	unknownWord  = otherKind
	beginOfText  = otherKind + 1
	endOfText    = otherKind + 2
	embedContext = 512
)

// The special tokens come first.
const (
	padToken = iota
	unkToken
	clsToken
	sepToken
	maskToken
	firstCharToken
)

// wordPieces is the tokenizer of BERT: a token for each letter and digit that begins a word, and one for each that goes on
// with it. A word with anything else in it is unknown as a whole.
func wordPieces() (texts []string, dimensions []int, kinds []int32) {
	add := func(text string, dimension int, kind int32) {
		texts, dimensions, kinds = append(texts, text), append(dimensions, dimension), append(kinds, kind)
	}
	for i, name := range []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"} {
		add(name, []int{none, unknownWord, beginOfText, endOfText, none}[i], controlToken)
	}
	kinds[unkToken] = unknownToken
	for _, begin := range []string{"▁", ""} {
		for k := range otherKind {
			add(begin+string(rune(charOf(k))), k, normalToken)
		}
	}
	return texts, dimensions, kinds
}

// embedderMetadata are the keys of an embedder of an architecture, "bert" or "nomic-bert".
func embedderMetadata(arch string) ggml.KV {
	texts, _, kinds := wordPieces()
	return ggml.KV{
		"general.architecture":              arch,
		"general.name":                      "tiny " + arch,
		"general.file_type":                 uint32(0),
		"block_count":                       uint32(2),
		"context_length":                    uint32(embedContext),
		"embedding_length":                  uint32(small),
		"feed_forward_length":               uint32(smallInner),
		"attention.head_count":              uint32(smallHeads),
		"attention.layer_norm_epsilon":      float32(1e-12),
		"attention.causal":                  false,
		"pooling_type":                      uint32(1), // the mean
		"normalize_embeddings":              true,
		"rope.freq_base":                    float32(1000), // where the positions are not embedded
		"tokenizer.ggml.model":              "bert",
		"tokenizer.ggml.tokens":             texts,
		"tokenizer.ggml.token_type":         kinds,
		"tokenizer.ggml.token_type_count":   uint32(2),
		"tokenizer.ggml.bos_token_id":       uint32(clsToken),
		"tokenizer.ggml.eos_token_id":       uint32(sepToken),
		"tokenizer.ggml.unknown_token_id":   uint32(unkToken),
		"tokenizer.ggml.seperator_token_id": uint32(sepToken), // as the format spells it
		"tokenizer.ggml.padding_token_id":   uint32(padToken),
		"tokenizer.ggml.cls_token_id":       uint32(clsToken),
		"tokenizer.ggml.mask_token_id":      uint32(maskToken),
		"tokenizer.ggml.add_bos_token":      true,
		"tokenizer.ggml.add_eos_token":      true,
	}
}

// embedderTensors are those of an embedder. Nomic's has neither biases nor embedded positions, one matrix for queries, keys and
// values, and a gate in its feed-forward.
func embedderTensors(arch string) []*ggml.Tensor {
	texts, dimensions, _ := wordPieces()
	random, nomic := noise(), arch != "bert"
	norm := func(name string) []*ggml.Tensor {
		return []*ggml.Tensor{tensor(name+".weight", one, small), tensor(name+".bias", zero, small)}
	}
	linear := func(name string, value func(int) float32, in, out uint64) []*ggml.Tensor {
		list := []*ggml.Tensor{tensor(name+".weight", value, in, out)}
		if !nomic {
			list = append(list, tensor(name+".bias", zero, out))
		}
		return list
	}
	oneHot := func(token, dimension int) float32 {
		if dimensions[token] == dimension {
			return 1
		}
		return 0
	}
	list := append(norm("token_embd_norm"),
		tensor("token_embd.weight", matrix(small, oneHot), small, uint64(len(texts))),
		tensor("token_types.weight", zero, small, 2),
	)
	if !nomic {
		list = append(list, tensor("position_embd.weight", zero, small, embedContext))
	}
	for l := range 2 {
		block := func(name string) string { return fmt.Sprintf("blk.%d.%s", l, name) }
		if nomic {
			list = append(list, linear(block("attn_qkv"), random, small, 3*small)...)
			list = append(list, linear(block("ffn_gate"), random, small, smallInner)...)
		} else {
			for _, name := range []string{"attn_q", "attn_k", "attn_v"} {
				list = append(list, linear(block(name), random, small, small)...)
			}
		}
		list = append(list, linear(block("attn_output"), zero, small, small)...)
		list = append(list, norm(block("attn_output_norm"))...)
		list = append(list, linear(block("ffn_up"), random, small, smallInner)...)
		list = append(list, linear(block("ffn_down"), zero, smallInner, small)...)
		list = append(list, norm(block("layer_output_norm"))...)
	}
	return list
}

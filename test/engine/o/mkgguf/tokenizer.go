package main

import (
	"fmt"
	"slices"
)

// Kinds of tokens in a GGUF's tokenizer.ggml.token_type.
const (
	normalToken  = 1
	unknownToken = 2
	controlToken = 3
	ownToken     = 4 // a word of its own in every text
	byteToken    = 6
)

// none is the character of a token that stands for none.
const none = -1

// tokenizer is a vocabulary and, for each of its tokens, the character that it stands for.
type tokenizer struct {
	metadata map[string]any
	chars    []int
	pieces   map[string]int // tokens that stand for more than a character, by their text
	begin    int
	end      int
}

// tokenOf is the first token that stands for a character; what ends an answer is the character eos.
func (v *tokenizer) tokenOf(char int) int {
	if char == eos {
		return v.end
	}
	for t, c := range v.chars {
		if c == char {
			return t
		}
	}
	panic(fmt.Sprintf("no token for %q", rune(char)))
}

// byteLevel is the tokenizer of GPT-2, as llama 3, qwen2 and newer Mistral models have it, in one of its splittings (pre).
// The pieces take the places of unused tokens. No merge makes one out of the characters of a prompt.
func byteLevel(pre string, pieces ...string) *tokenizer {
	texts, kinds := tokens()
	v := &tokenizer{begin: bos, end: eos, chars: make([]int, len(texts)), pieces: make(map[string]int)}
	for t := range texts {
		v.chars[t] = t
		if t > 255 {
			v.chars[t] = none
		}
	}
	for i, piece := range pieces {
		token := eos + 1 + i
		v.pieces[piece] = token
		texts[token], kinds[token] = byteSpelling(piece), normalToken
		if slices.Contains(tags, piece) {
			kinds[token] = ownToken
		}
	}
	v.metadata = map[string]any{
		"tokenizer.ggml.model":         "gpt2",
		"tokenizer.ggml.pre":           pre,
		"tokenizer.ggml.tokens":        texts,
		"tokenizer.ggml.token_type":    kinds,
		"tokenizer.ggml.merges":        []string{"a b"},
		"tokenizer.ggml.bos_token_id":  uint32(bos),
		"tokenizer.ggml.eos_token_id":  uint32(eos),
		"tokenizer.ggml.add_bos_token": true,
		"tokenizer.ggml.add_eos_token": false,
	}
	return v
}

// sentencePiece is the tokenizer of llama 2, as the first Mistral models, Phi 3 and Gemma have it: one token for each
// printable character of ASCII, and for everything else the bytes. Special are control tokens of the architecture's own.
func sentencePiece(prefixSpace bool, special ...string) *tokenizer {
	v := &tokenizer{begin: 1, end: 2}
	var texts []string
	var scores []float32
	var kinds []int32
	add := func(text string, char int, kind int32) {
		// Of two ways to split a text the one with the higher score counts: single characters before bytes.
		texts, scores, kinds, v.chars = append(texts, text), append(scores, -float32(len(scores))), append(kinds, kind), append(v.chars, char)
	}
	add("<unk>", none, unknownToken)
	add("<s>", none, controlToken)
	add("</s>", none, controlToken)
	add("▁", ' ', normalToken)
	for c := '!'; c <= '~'; c++ {
		add(string(c), int(c), normalToken)
	}
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), b, byteToken)
	}
	for _, text := range special {
		add(text, none, controlToken)
	}
	for len(texts)%32 != 0 {
		add(fmt.Sprintf("<unused%d>", len(texts)), none, controlToken)
	}
	v.metadata = map[string]any{
		"tokenizer.ggml.model":            "llama",
		"tokenizer.ggml.pre":              "default",
		"tokenizer.ggml.tokens":           texts,
		"tokenizer.ggml.scores":           scores,
		"tokenizer.ggml.token_type":       kinds,
		"tokenizer.ggml.bos_token_id":     uint32(v.begin),
		"tokenizer.ggml.eos_token_id":     uint32(v.end),
		"tokenizer.ggml.unknown_token_id": uint32(0),
		"tokenizer.ggml.add_bos_token":    true,
		"tokenizer.ggml.add_eos_token":    false,
		"tokenizer.ggml.add_space_prefix": prefixSpace,
	}
	return v
}

package tokens

import (
	"strings"
	"unicode/utf8"
)

// longestToken is how many bytes of a token are looked at. Longer ones are runs of blanks or of signs.
const longestToken = 32

// Vocabulary is a model's own list of tokens.
type Vocabulary struct {
	known map[string]struct{}
	space string // how it spells a blank
	bytes bool   // it spells every byte as one character, as GPT-2 does
}

// FromMetadata reads the vocabulary from the keys of a model's GGUF file; nil where they do not hold it.
func FromMetadata(metadata map[string]any) *Vocabulary {
	list, _ := metadata["tokenizer.ggml.tokens"].([]any)
	kind, _ := metadata["tokenizer.ggml.model"].(string)
	if len(list) == 0 {
		return nil
	}
	v := &Vocabulary{known: make(map[string]struct{}, len(list)), space: "▁", bytes: kind == "gpt2"}
	for _, token := range list {
		if s, ok := token.(string); ok && s != "" {
			v.known[s] = struct{}{}
		}
	}
	return v
}

// Count is about how many tokens the vocabulary cuts a text into: from the left, each as long as there is one. Tokenizers
// merge in another order, which makes a few per cent more or fewer of it.
func (v *Vocabulary) Count(text string) int {
	text = v.spell(text)
	n := 0
	for len(text) > 0 {
		text = text[v.first(text):]
		n++
	}
	return n
}

// first is the length of the longest token with which text begins, or of its first byte, for which there always is one. A
// character that the vocabulary does not have is spelled in bytes, each of them a token.
func (v *Vocabulary) first(text string) int {
	for end := min(len(text), longestToken); end > 0; end-- {
		if end < len(text) && !utf8.RuneStart(text[end]) {
			continue
		}
		if _, ok := v.known[text[:end]]; ok {
			return end
		}
	}
	if v.bytes {
		_, size := utf8.DecodeRuneInString(text)
		return size
	}
	return 1
}

// spell writes text as the vocabulary does.
func (v *Vocabulary) spell(text string) string {
	if !v.bytes {
		return strings.ReplaceAll(text, " ", v.space)
	}
	var b strings.Builder
	for i := range len(text) {
		b.WriteRune(byteRunes[text[i]])
	}
	return b.String()
}

// byteRunes is how GPT-2's tokenizer spells bytes: the printable characters of Latin-1 stand for themselves, the others for
// the characters from 256 on, in order.
var byteRunes = func() (runes [256]rune) {
	moved := rune(256)
	for b := range runes {
		runes[b] = rune(b)
		if printable := b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae; !printable {
			runes[b] = moved
			moved++
		}
	}
	return runes
}()

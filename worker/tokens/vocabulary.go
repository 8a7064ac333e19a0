package tokens

import (
	"strings"
	"unicode/utf8"
)

// maxTokenBytes is the longest token that Count knows, in bytes. Longer tokens are runs of blanks or of signs.
const maxTokenBytes = 32

// Vocabulary is a model's list of tokens.
type Vocabulary struct {
	known map[string]struct{}
	space string // the spelling of a blank
	bytes bool   // every byte is spelled as one character, as in GPT-2
}

// FromMetadata reads the vocabulary from the metadata of a model's GGUF file; nil where the metadata has no vocabulary.
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

// Count returns about the number of tokens of a text: it takes the longest token at each place, from the left. Tokenizers
// merge in another order, which makes a difference of a few per cent.
func (v *Vocabulary) Count(text string) int {
	text = v.spell(text)
	n := 0
	for len(text) > 0 {
		text = text[v.first(text):]
		n++
	}
	return n
}

// first returns the length of the longest token at the begin of text, in bytes. A character that the vocabulary does not have
// is spelled in bytes, each of them a token, so its first byte counts.
func (v *Vocabulary) first(text string) int {
	for end := min(len(text), maxTokenBytes); end > 0; end-- {
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

// spell returns the text in the spelling of the vocabulary.
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

// byteRunes maps bytes to characters as GPT-2's tokenizer does: the printable characters of Latin-1 stand for themselves, all
// other bytes get the characters from 256 on, in order.
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

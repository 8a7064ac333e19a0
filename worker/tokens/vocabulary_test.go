package tokens

import "testing"

func TestVocabularyCounts(t *testing.T) {
	list := func(tokens ...string) []any {
		var l []any
		for _, s := range tokens {
			l = append(l, s)
		}
		return l
	}
	gpt := FromMetadata(map[string]any{"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": list("Ġthe", "Ġcat", "the", "Ċ", "c", "a", "t", "é")})
	llama := FromMetadata(map[string]any{"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": list("▁the", "▁cat", "the", "é", "c", "a", "t")})
	for _, tt := range []struct {
		name string
		v    *Vocabulary
		text string
		want int
	}{
		{"words", gpt, "the cat the cat", 4},
		{"an unknown word", gpt, "the tac", 5},
		{"a line end", gpt, "the\nthe", 3},
		{"two bytes, none of them known", gpt, "é", 2},
		{"nothing", gpt, "", 0},
		{"words of SentencePiece", llama, "the cat the cat", 4},
		{"a character that it has", llama, "é", 1},
		{"bytes of a character that it does not have", llama, "字", 3},
	} {
		if got := tt.v.Count(tt.text); got != tt.want {
			t.Errorf("%s: %q has %d tokens, want %d", tt.name, tt.text, got, tt.want)
		}
	}
	for _, metadata := range []map[string]any{nil, {"tokenizer.ggml.tokens": nil}, {"tokenizer.ggml.tokens": 3}} {
		if FromMetadata(metadata) != nil {
			t.Errorf("%v has a vocabulary", metadata)
		}
	}
}

// Count ends for every text, and every byte of the text is in exactly one token.
func FuzzVocabulary(f *testing.F) {
	f.Add("the cat", true)
	f.Add("\xff 字é", false)
	f.Fuzz(func(t *testing.T, text string, bytes bool) {
		v := &Vocabulary{space: "▁", bytes: bytes, known: map[string]struct{}{"the": {}, "▁the": {}, "Ġthe": {}, "é": {}}}
		if n := v.Count(text); n > 3*len(text) || n == 0 && text != "" { // a blank of SentencePiece is three bytes
			t.Errorf("%q has %d tokens", text, n)
		}
	})
}

package ollama

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"
)

// TokenLogprob is a token and how likely it was.
type TokenLogprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"` // natural logarithm of the probability
	Bytes   []int   `json:"bytes"`   // of the token, which need not be whole characters
}

// Logprob is a token of an answer, and the likeliest ones in its place. Ollama's API spells it as OpenAI's chat does.
type Logprob struct {
	TokenLogprob
	Top []TokenLogprob `json:"top_logprobs"`
}

// behindThought leaves of the tokens those that the text begins in or that follow: servers tell those of the thought in the same
// list, without the tags. Where a text is not in the tokens as it stands, all are left.
func behindThought(tokens []Logprob, text string) []Logprob {
	var said []byte
	ends := make([]int, len(tokens))
	for i, t := range tokens {
		for _, b := range t.Bytes { // a token may hold a part of a character, which no string of JSON does
			said = append(said, byte(b))
		}
		ends[i] = len(said)
	}
	begin := bytes.LastIndex(said, []byte(text))
	first, _ := slices.BinarySearchFunc(ends, begin, func(end, begin int) int { return cmp.Compare(end, begin+1) })
	return tokens[first:]
}

// chatLogprobs are those of a choice of a chat.completion.
func chatLogprobs(tokens []Logprob) any {
	list := make([]Logprob, len(tokens)) // a list, if an empty one
	for i, t := range tokens {
		list[i] = t
		list[i].Top = append([]TokenLogprob{}, t.Top...)
	}
	return struct {
		Content []Logprob `json:"content"`
		Refusal *struct{} `json:"refusal"`
	}{Content: list}
}

// textLogprobs are those of a choice of a text_completion, with top alternatives. Offsets count characters from where the
// answer begins.
func textLogprobs(tokens []Logprob, top int) any {
	list := struct {
		Tokens   []string             `json:"tokens"`
		Logprobs []float64            `json:"token_logprobs"`
		Top      []map[string]float64 `json:"top_logprobs"`
		Offsets  []int                `json:"text_offset"`
	}{Tokens: []string{}, Logprobs: []float64{}, Offsets: []int{}}
	offset := 0
	for _, t := range tokens {
		list.Tokens = append(list.Tokens, t.Token)
		list.Logprobs = append(list.Logprobs, t.Logprob)
		list.Offsets = append(list.Offsets, offset)
		offset += utf8.RuneCountInString(t.Token)
		if top == 0 {
			continue
		}
		likeliest := make(map[string]float64)
		for _, other := range t.Top {
			likeliest[other.Token] = other.Logprob
		}
		list.Top = append(list.Top, likeliest)
	}
	return list
}

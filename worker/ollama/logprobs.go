package ollama

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"
)

// TokenLogprob is a token with its log probability.
type TokenLogprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"` // natural logarithm of the probability
	Bytes   []int   `json:"bytes"`   // a token may hold a part of a character
}

// Logprob is a token of an answer with the most likely alternatives. Ollama's API has the same JSON names as OpenAI's
// chat API.
type Logprob struct {
	TokenLogprob
	Top []TokenLogprob `json:"top_logprobs"`
}

// afterReasoning returns the tokens from the one in which text begins. Servers list the tokens of the reasoning before
// them, without the tags. It returns all tokens if text does not occur in them literally.
func afterReasoning(tokens []Logprob, text string) []Logprob {
	var said []byte
	ends := make([]int, len(tokens))
	for i, t := range tokens {
		for _, b := range t.Bytes { // unlike a JSON string, a token may hold a part of a character
			said = append(said, byte(b))
		}
		ends[i] = len(said)
	}
	begin := bytes.LastIndex(said, []byte(text))
	first, _ := slices.BinarySearchFunc(ends, begin, func(end, begin int) int { return cmp.Compare(end, begin+1) })
	return tokens[first:]
}

// chatLogprobs returns the logprobs of a choice in a chat.completion.
func chatLogprobs(tokens []Logprob) any {
	list := make([]Logprob, len(tokens)) // empty, not null
	for i, t := range tokens {
		list[i] = t
		list[i].Top = append([]TokenLogprob{}, t.Top...)
	}
	return struct {
		Content []Logprob `json:"content"`
		Refusal *struct{} `json:"refusal"`
	}{Content: list}
}

// textLogprobs returns the logprobs of a choice in a text_completion, with top alternatives per token. Offsets count
// characters from the begin of the answer.
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

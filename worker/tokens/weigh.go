package tokens

import "fluxworker/worker/prompt"

const (
	// messageWeight is what a chat template puts around a message: its role, and the marks of its beginning and end.
	messageWeight = 6
	// requestWeight is the beginning of the text, the opening of the answer, and a system message of the template's own.
	requestWeight = 12
	// imageWeight is an image. What models make of one differs: 256 tokens, 576, or, with its size, some thousands.
	imageWeight = 1200
)

// unit is the part of a token in which bytes are weighed.
const unit = 64

// byteWeights is what a byte adds to a text's tokens, in units, as tokenizers of some 100,000 words cut text: letters come
// in words or halves of them, digits and signs in ones to threes. A character of several bytes is weighed by its first: two
// (Greek, Cyrillic, Arabic) are half a token, three (Chinese, Japanese, Hindi) one, four (emoji) two.
var byteWeights = func() (w [256]uint8) {
	for b := range w {
		switch {
		case b == ' ':
			w[b] = unit / 16 // a word takes it along
		case b >= 'a' && b <= 'z':
			w[b] = unit / 4
		case b >= 'A' && b <= 'Z':
			w[b] = unit / 3
		case b < 0x80:
			w[b] = unit / 2
		case b >= 0xf0:
			w[b] = 2 * unit
		case b >= 0xe0:
			w[b] = unit
		case b >= 0xc0:
			w[b] = unit / 2
		}
	}
	return w
}()

// Weigh is a first guess at how many tokens the prompt of a request has, at least 1. An Estimator makes an estimate of it.
func Weigh(r *prompt.Request) int {
	weight := requestWeight
	for i := range r.Messages {
		m := &r.Messages[i]
		weight += messageWeight + weighText(m.Content) + imageWeight*len(m.Images) + weighText(m.Reasoning)
		for _, call := range m.ToolCalls {
			weight += messageWeight + weighText(call.Name) + weighText(string(call.Arguments))
		}
	}
	for i := range r.Tools { // which templates write out
		t := &r.Tools[i]
		weight += messageWeight + weighText(t.Name) + weighText(t.Description) + weighText(string(t.Parameters))
	}
	weight += weighText(r.Suffix)
	if r.Embedding != nil { // each of its texts is read by itself
		longest := 0
		for _, text := range r.Embedding.Input {
			longest = max(longest, weighText(text))
		}
		weight += longest
	}
	return weight
}

// Answer is how many tokens the answer to a request may have; none where the answer is an embedding.
func Answer(r *prompt.Request) int {
	if r.Embedding != nil {
		return 0
	}
	return r.Sampling.MaxTokens
}

func weighText(s string) int {
	units := 0
	for i := range len(s) {
		units += int(byteWeights[s[i]])
	}
	return (units + unit - 1) / unit
}

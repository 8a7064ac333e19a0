package tokens

import "fluxworker/worker/prompt"

const (
	// messageWeight stands for the text of a chat template around a message: the role, and the marks of begin and end.
	messageWeight = 6
	// requestWeight stands for the begin of the prompt, the begin of the answer, and a system message of the chat template.
	requestWeight = 12
	// imageWeight stands for an image. Models differ: 256 tokens, 576, or some thousands, depending on the size.
	imageWeight = 1200
)

// unit is the number of units of byteWeights in a token.
const unit = 64

// byteWeights holds the part of a token that a byte adds, in units, for tokenizers of some 100,000 words: letters come in
// words or halves of words, digits and signs in groups of one to three. The first byte of a character counts for the whole
// character: two bytes (Greek, Cyrillic, Arabic) are half a token, three (Chinese, Japanese, Hindi) are one, four (emoji) two.
var byteWeights = func() (w [256]uint8) {
	for b := range w {
		switch {
		case b == ' ':
			w[b] = unit / 16 // most words include the blank before them
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

// Weigh returns the weight of a request's prompt, at least 1: about its number of tokens. An Estimator scales it to a model.
func Weigh(r *prompt.Request) int {
	weight := requestWeight
	for i := range r.Messages {
		m := &r.Messages[i]
		weight += messageWeight + weighText(m.Content) + imageWeight*len(m.Images) + weighText(m.Reasoning)
		for _, call := range m.ToolCalls {
			weight += messageWeight + weighText(call.Name) + weighText(string(call.Arguments))
		}
	}
	for i := range r.Tools { // chat templates write tools into the prompt
		t := &r.Tools[i]
		weight += messageWeight + weighText(t.Name) + weighText(t.Description) + weighText(string(t.Parameters))
	}
	weight += weighText(r.Suffix)
	if len(r.Messages) == 0 {
		weight += weighText(string(r.Body)) // a little more than its texts
	}
	if r.Embedding != nil { // each text has a context of its own
		longest := 0
		for _, text := range r.Embedding.Input {
			longest = max(longest, weighText(text))
		}
		weight += longest
	}
	return weight
}

// Answer returns the limit of a request's answer, in tokens; 0 for an embedding or without a limit.
func Answer(r *prompt.Request) int {
	if r.Embedding != nil {
		return 0
	}
	return max(0, r.Sampling.MaxTokens) // 0 also where the row and the user leave it to the server
}

// weighText returns the weight of a text, rounded up.
func weighText(s string) int {
	units := 0
	for i := range len(s) {
		units += int(byteWeights[s[i]])
	}
	return (units + unit - 1) / unit
}

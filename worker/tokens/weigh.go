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
		weight += messageWeight + weighText(r.Messages[i].Content) + imageWeight*len(r.Messages[i].Images)
	}
	return weight
}

func weighText(s string) int {
	units := 0
	for i := range len(s) {
		units += int(byteWeights[s[i]])
	}
	return (units + unit - 1) / unit
}

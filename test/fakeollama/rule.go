package fakeollama

import "strings"

// endOfAnswer is the token that ends an answer.
const endOfAnswer = 0

// following is the rule of the bigram model: a digit is followed by the next digit, 9 by a, a letter by the next
// letter, z by the end of the answer, and anything else by 0.
func following(b byte) byte {
	switch {
	case b >= '0' && b < '9', b >= 'a' && b < 'z':
		return b + 1
	case b == '9':
		return 'a'
	case b == 'z':
		return endOfAnswer
	default:
		return '0'
	}
}

// generation is a generated answer.
type generation struct {
	text   string
	tokens int    // number of generated tokens, including the end of the answer and text cut off by a stop string
	reason string // Ollama's done_reason: stop or length
}

// generate answers a prompt that ends in last. Limit is the maximum number of tokens. The answer ends before the first
// stop string.
func generate(last byte, limit int, stops []string) generation {
	var text []byte
	for n := 1; ; n++ {
		last = following(last)
		if last == endOfAnswer {
			return generation{string(text), n, "stop"}
		}
		text = append(text, last)
		if at := firstOf(string(text), stops); at >= 0 {
			return generation{string(text[:at]), n, "stop"}
		}
		if n >= limit {
			return generation{string(text), n, "length"}
		}
	}
}

// firstOf returns the position of the earliest stop string in s, or -1.
func firstOf(s string, stops []string) int {
	first := -1
	for _, stop := range stops {
		if at := strings.Index(s, stop); stop != "" && at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	return first
}

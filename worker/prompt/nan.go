package prompt

import (
	"bytes"

	fast "fluxworker/worker/json"
)

// notNumbers are the numbers that Python writes and JSON does not have.
var notNumbers = [][]byte{[]byte("NaN"), []byte("Infinity"), []byte("-Infinity")}

// withoutNaN returns an object in which null replaces NaN and Infinity, as Python writes them for empty cells, where they cannot
// change an answer: in the value of the given member, or in every value if member is empty. ok is false if the object is no JSON
// for another reason.
func withoutNaN(object []byte, member string) (text []byte, ok bool) {
	if !bytes.Contains(object, notNumbers[0]) && !bytes.Contains(object, notNumbers[1]) {
		return object, false
	}
	out := make([]byte, 0, len(object))
	depth := 0
	var last, current []byte // the last string, and the name of the member of the outer object
	for at := 0; at < len(object); {
		c := object[at]
		switch {
		case c == '"':
			end := closingQuote(object[at:])
			if end < 0 {
				return object, false
			}
			last = object[at : at+end]
			out, at = append(out, last...), at+end
			continue
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ':' && depth == 1:
			current = last
		}
		if word := notNumberAt(object[at:]); word > 0 && (member == "" || string(current) == `"`+member+`"`) {
			out, at = append(out, "null"...), at+word
			continue
		}
		out, at = append(out, c), at+1
	}
	return out, fast.Valid(out)
}

// notNumberAt returns the length of a number that JSON does not have at the start of a text; 0 if the text begins otherwise.
func notNumberAt(text []byte) int {
	for _, word := range notNumbers {
		if bytes.HasPrefix(text, word) {
			return len(word)
		}
	}
	return 0
}

// closingQuote returns the length of the string at the start of a text that may be no JSON; -1 if it does not end.
func closingQuote(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

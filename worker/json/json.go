// Package json encodes, decodes and validates the JSON of rows. It behaves like encoding/json, with the same types and
// tags, in a fraction of the time: with encoding/json it was half of the cost of a row.
package json

import (
	"bytes"
	standard "encoding/json"

	"github.com/segmentio/encoding/json"
)

// maxDepth is encoding/json's limit of nested values. The fast library has no limit and would overflow the stack, which
// ends the program.
const maxDepth = 10_000

// mayBeDeep reports whether a text could exceed maxDepth, judged by its number of opening brackets. Such rare texts go
// to encoding/json, so that a long list of small objects is still accepted.
func mayBeDeep(text []byte) bool {
	return bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > maxDepth
}

// Valid reports whether text is valid JSON.
func Valid(text []byte) bool {
	if mayBeDeep(text) {
		return standard.Valid(text)
	}
	return json.Valid(text)
}

// Unmarshal decodes text into v. The result does not refer to text.
func Unmarshal(text []byte, v any) error {
	if mayBeDeep(text) {
		return standard.Unmarshal(text, v)
	}
	return json.Unmarshal(text, v)
}

// Append appends the encoding of v to buffer. It neither sorts maps nor escapes <, > and &.
func Append(buffer []byte, v any) ([]byte, error) { return json.Append(buffer, v, 0) }

// View decodes text into v like Unmarshal, but by the exact names of fields, and without copies: v refers to text, which must not change.
func View(text []byte, v any) error {
	if mayBeDeep(text) {
		return standard.Unmarshal(text, v)
	}
	_, err := json.Parse(text, v, json.ZeroCopy|json.DontMatchCaseInsensitiveStructFields)
	return err
}

// Compact returns a valid text without the white space between its tokens: text itself where it has none.
func Compact(text []byte) []byte {
	var out []byte
	begin := 0 // of what out lacks
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = stringEnd(text, i)
		case ' ', '\t', '\r', '\n':
			if out == nil {
				out = make([]byte, 0, len(text))
			}
			out = append(out, text[begin:i]...)
			begin = i + 1
		}
	}
	if out == nil {
		return text
	}
	return append(out, text[begin:]...)
}

// stringEnd returns the index of the quote that ends the string at i.
func stringEnd(text []byte, i int) int {
	for {
		i += 1 + bytes.IndexByte(text[i+1:], '"')
		escapes := 0
		for text[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}

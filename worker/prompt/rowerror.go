package prompt

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// shownRunes is the maximum length of a value in a message.
const shownRunes = 40

// rowError becomes the Reject of a row. Callers prepend their field to its path on the way up, so a decoder of a nested
// value needs not know its own path.
type rowError struct {
	code string
	path string // path of the field at fault, relative to the value being decoded
	text string // text after the path, for example "is missing"

	// ioErr is set if a disk is at fault and not the row. The reading must end then, and the other fields do not count.
	ioErr error
}

func rowErrorf(code, path, format string, args ...any) *rowError {
	return &rowError{code: code, path: path, text: fmt.Sprintf(format, args...)}
}

// wrongType returns the error of a value that has the wrong type; wanted is, for example, "a number". Set show only for
// a value that cannot be part of a prompt.
func wrongType(value []byte, show bool, wanted string) *rowError {
	return rowErrorf(CodeInvalidType, "", "is %s; it must be %s", describe(value, show), wanted)
}

// under prepends parent to the path: a field, or an index in brackets.
func (p *rowError) under(parent string) *rowError {
	if p.path != "" && p.path[0] != '[' {
		parent += "."
	}
	p.path = parent + p.path
	return p
}

func (p *rowError) reject() *Reject {
	message := p.text
	if p.path != "" {
		message = p.path + " " + p.text
	}
	return &Reject{Code: p.code, Param: p.path, Message: message}
}

// describe names the type of a JSON value, and with show the value, too.
func describe(value []byte, show bool) string {
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f', 'n':
		return string(value)
	case '"':
		if show {
			return "the string " + quote(unquote(value))
		}
		return "a string"
	default:
		if show {
			return "the number " + cut(string(value))
		}
		return "a number"
	}
}

// quote quotes and shortens a string for a message.
func quote(s string) string { return strconv.Quote(cut(s)) }

// word returns a short identifier in quotes. Any other string may be misplaced text of the user, so word only returns
// its length.
func word(s string) string {
	if !isIdentifier(s) {
		return fmt.Sprintf("a string of %d bytes", len(s))
	}
	return strconv.Quote(s)
}

// fieldPath returns the name of an unknown field as a part of a path.
func fieldPath(name string) string {
	if !isIdentifier(name) {
		return quote(name)
	}
	return name
}

func isIdentifier(s string) bool {
	odd := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-.", r))
	}
	return s != "" && len(s) <= shownRunes && !strings.ContainsFunc(s, odd)
}

// cut shortens a string to shownRunes.
func cut(s string) string {
	runes := 0
	for i := range s {
		if runes == shownRunes {
			return s[:i] + "…"
		}
		runes++
	}
	return s
}

// unquote returns the value of a valid JSON string.
func unquote(value []byte) string {
	inner := value[1 : len(value)-1]
	for _, c := range inner {
		if c == '\\' {
			var s string
			if err := json.Unmarshal(value, &s); err != nil {
				panic("unquote a valid JSON string: " + err.Error())
			}
			return s
		}
	}
	return string(inner)
}

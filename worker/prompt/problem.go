package prompt

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// shownRunes is how much of a value a message shows.
const shownRunes = 40

// problem is a Reject in the making. Its path grows as it is handed up, so that nobody needs to know where his piece of
// JSON stands.
type problem struct {
	code string
	path string // of the field at fault, from the value that was being read
	text string // follows the path: "is missing"

	// broken is set where the row is not to blame but a disk. Then the reading cannot go on, and the rest counts for nothing.
	broken error
}

func problemf(code, path, format string, args ...any) *problem {
	return &problem{code: code, path: path, text: fmt.Sprintf(format, args...)}
}

// wrongType is the problem of a value that is of another type than wanted ("it must be a number"). Only a value that
// can be no part of a prompt may be shown.
func wrongType(value []byte, show bool, wanted string) *problem {
	return problemf(CodeInvalidType, "", "is %s; it must be %s", describe(value, show), wanted)
}

// under puts parent, a field or an index in brackets, in front of the path.
func (p *problem) under(parent string) *problem {
	if p.path != "" && p.path[0] != '[' {
		parent += "."
	}
	p.path = parent + p.path
	return p
}

func (p *problem) reject() *Reject {
	message := p.text
	if p.path != "" {
		message = p.path + " " + p.text
	}
	return &Reject{Code: p.code, Param: p.path, Message: message}
}

// describe says in words what a JSON value is.
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

// quote shows a string that may be long or hold anything.
func quote(s string) string { return strconv.Quote(cut(s)) }

// word shows a string that ought to be a short identifier. One that is not may be text that got into the wrong place,
// so it is only described.
func word(s string) string {
	if !isIdentifier(s) {
		return fmt.Sprintf("a string of %d bytes", len(s))
	}
	return strconv.Quote(s)
}

// fieldPath shows the name of a field that is none of ours as a part of a path.
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

// cut shortens a string to what a message shows of it.
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

// unquote is the string that a valid JSON string stands for.
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

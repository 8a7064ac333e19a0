package schema

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxProgram limits the instructions of all patterns of a schema together: a pattern of 40 bytes can have a million. The
// library compiles each pattern twice.
const maxProgram = 200_000

// checkedPattern is a compiled regular expression of a schema.
type checkedPattern struct {
	*regexp.Regexp
	size int // number of instructions, about
}

// parsePattern parses a pattern of a schema. An error says what the pattern has that Go's regular expressions lack.
func parsePattern(text string) (*syntax.Regexp, error) {
	translated, ok := fromECMA(text)
	if !ok {
		return nil, errors.New(`half of a surrogate pair (\u); write the character itself`)
	}
	re, err := syntax.Parse(translated, syntax.Perl)
	if err == nil {
		return re, nil
	}
	fault, ok := errors.AsType[*syntax.Error](err)
	switch {
	case !ok:
		return nil, err
	case fault.Code == syntax.ErrInvalidRepeatSize || fault.Code == syntax.ErrLarge:
		return nil, errors.New("more than 1000 repetitions; use maxLength, or a smaller number")
	case strings.HasPrefix(fault.Expr, "(?=") || strings.HasPrefix(fault.Expr, "(?!"):
		return nil, errors.New("look-ahead, (?=…) or (?!…); write the pattern without it, or remove the pattern")
	case strings.HasPrefix(fault.Expr, "(?<=") || strings.HasPrefix(fault.Expr, "(?<!"):
		return nil, errors.New("look-behind, (?<=…) or (?<!…); write the pattern without it, or remove the pattern")
	case fault.Code == syntax.ErrInvalidEscape:
		return nil, fmt.Errorf("the escape %s; write the characters themselves, or a class such as [0-9]", quote(fault.Expr))
	}
	return nil, fmt.Errorf("a fault: %s %s", fault.Code, quote(fault.Expr))
}

// fromECMA translates \u escapes of ECMA 262, which Go lacks. It returns false for half of a surrogate pair.
func fromECMA(text string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(text); {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			i++
			continue
		}
		r, size := unicodeEscape(text[i:])
		if size == 0 {
			b.WriteString(text[i : i+2])
			i += 2
			continue
		}
		if !utf8.ValidRune(r) {
			return "", false
		}
		fmt.Fprintf(&b, `\x{%x}`, r)
		i += size
	}
	return b.String(), true
}

// unicodeEscape returns the character and the length of a \u escape at the start of text; the length is 0 if there is
// none. Two escapes of a surrogate pair are one character.
func unicodeEscape(text string) (rune, int) {
	if braced, ok := strings.CutPrefix(text, `\u{`); ok {
		hex, _, closed := strings.Cut(braced, "}")
		r, err := strconv.ParseUint(hex, 16, 31)
		if !closed || err != nil {
			return 0, 0
		}
		return rune(r), len(`\u{}`) + len(hex)
	}
	unit := func(at int) (rune, bool) {
		if len(text) < at+6 || text[at] != '\\' || text[at+1] != 'u' {
			return 0, false
		}
		r, err := strconv.ParseUint(text[at+2:at+6], 16, 16)
		return rune(r), err == nil
	}
	r, ok := unit(0)
	if !ok {
		return 0, 0
	}
	if low, ok := unit(6); ok && 0xD800 <= r && r < 0xDC00 && 0xDC00 <= low && low < 0xE000 {
		return 0x10000 + (r-0xD800)<<10 + low - 0xDC00, 12
	}
	return r, 6
}

// patternError is a pattern that cannot be checked, or that no grammar holds.
type patternError struct {
	pattern string
	reason  error // what the pattern has
}

func (e *patternError) Error() string {
	return fmt.Sprintf("the pattern %s, with %s", quote(e.pattern), e.reason)
}

// patterns compiles the patterns of one schema.
type patterns struct{ program int } // instructions up to here

// compile compiles a pattern for the check of answers. It returns a *patternError.
func (p *patterns) compile(text string) (jsonschema.Regexp, error) {
	re, err := parsePattern(text)
	if err != nil {
		return nil, &patternError{text, err}
	}
	size := program(re)
	if p.program += size; p.program > maxProgram {
		return nil, &patternError{text, fmt.Errorf("too many repetitions (all patterns of a schema may have %d instructions); use smaller numbers", maxProgram)}
	}
	translated, _ := fromECMA(text)
	compiled, err := regexp.Compile(translated)
	if err != nil {
		return nil, &patternError{text, err}
	}
	return &checkedPattern{compiled, size}, nil
}

// program returns about how many instructions a pattern has when it is compiled.
func program(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)/16 // a class is one instruction, but each range costs time
	if re.Op == syntax.OpLiteral {
		size = len(re.Rune)
	}
	for _, sub := range re.Sub {
		size += program(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, maxProgram+1)
}

// shownRunes is the maximum length of a pattern in a message.
const shownRunes = 60

func quote(s string) string {
	if utf8.RuneCountInString(s) > shownRunes {
		s = string([]rune(s)[:shownRunes]) + "…"
	}
	return strconv.Quote(s)
}

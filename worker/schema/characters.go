package schema

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxRune = unicode.MaxRune

// jsonEscapes are the characters that JSON writes with a letter. The backslash and the quotation mark stand for themselves.
var jsonEscapes = map[rune]string{'"': `"`, '\\': `\`, '\b': "b", '\f': "f", '\n': "n", '\r': "r", '\t': "t"}

// inJSON returns the text behind the backslash with which a JSON string holds a character; "" if it needs none.
func inJSON(r rune) string {
	if letter := jsonEscapes[r]; letter != "" {
		return letter
	}
	if r < ' ' {
		return fmt.Sprintf("u%04x", r)
	}
	return ""
}

// literal prints characters. A quantifier must stand behind a class: behind an escape, or a character of several bytes,
// the grammars apply it to something else.
func (d *dialect) literal(re *syntax.Regexp, in place) string {
	if len(re.Rune) == 1 && in == quantified || re.Flags&syntax.FoldCase != 0 && len(re.Rune) == 1 {
		return d.class(folds(re.Rune[0], re.Flags), in)
	}
	var b strings.Builder
	for _, r := range re.Rune {
		b.WriteString(d.class(folds(r, re.Flags), inSequence))
	}
	if in == quantified {
		return "(" + b.String() + ")"
	}
	return b.String()
}

// folds returns the class of a character: with FoldCase, the character in all cases.
func folds(r rune, flags syntax.Flags) []rune {
	class := []rune{r, r}
	if flags&syntax.FoldCase != 0 {
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			class = append(class, other, other)
		}
	}
	return class
}

// class prints a class, given as pairs of a first and a last character.
func (d *dialect) class(ranges []rune, in place) string {
	if len(ranges) == 2 && ranges[0] == ranges[1] && in != quantified {
		return plain(ranges[0])
	}
	var b, classes strings.Builder
	var escaped []rune
	for low, high := range pairs(ranges) {
		for r := low; r <= min(high, '\\'); r++ {
			if inJSON(r) != "" {
				escaped = append(escaped, r)
			}
		}
		// What JSON does not escape; halves of surrogate pairs are no characters.
		for _, part := range [][2]rune{{' ', '!'}, {'#', '['}, {']', 0xD7FF}, {0xE000, maxRune}} {
			writeRange(&classes, max(low, part[0]), min(high, part[1]))
		}
	}
	if classes.Len() > 0 {
		b.WriteString("[" + classes.String() + "]")
	}
	for _, text := range escapes(escaped) {
		if b.Len() > 0 {
			b.WriteByte('|')
		}
		b.WriteString(text)
	}
	if b.Len() == 0 {
		return d.fail(errNoMatch)
	}
	if d.size += b.Len(); d.size > maxDialect {
		return d.fail(errTooLarge)
	}
	if len(escaped) == 0 {
		return b.String()
	}
	return "(" + b.String() + ")"
}

func pairs(ranges []rune) func(yield func(low, high rune) bool) {
	return func(yield func(low, high rune) bool) {
		for i := 0; i < len(ranges); i += 2 {
			if !yield(ranges[i], ranges[i+1]) {
				return
			}
		}
	}
}

// controls is the number of control characters that JSON escapes.
const controls = ' '

// escapes prints the JSON forms of characters, which all have a backslash.
func escapes(runes []rune) []string {
	var letters strings.Builder
	var texts []string
	all := 0 // control characters
	for _, r := range runes {
		if r < controls {
			all++
		}
	}
	slices.Sort(runes)
	for _, r := range slices.Compact(runes) {
		switch text := inJSON(r); {
		case len(text) > 1 && all == controls:
		case len(text) > 1:
			texts = append(texts, `\\`+text)
		default:
			letters.WriteString(inClass(rune(text[0])))
		}
	}
	if letters.Len() > 0 {
		texts = append(texts, `\\[`+letters.String()+`]`)
	}
	if all == controls {
		texts = append(texts, `\\u00[01][0-9a-f]`)
	}
	return texts
}

func writeRange(b *strings.Builder, low, high rune) {
	switch {
	case low > high:
	case low == high:
		b.WriteString(inClass(low))
	case low+1 == high:
		b.WriteString(inClass(low) + inClass(high))
	default:
		b.WriteString(inClass(low) + "-" + inClass(high))
	}
}

// inClass prints a character of a class. The grammars know no \- and no \^, but hexadecimal escapes.
func inClass(r rune) string {
	switch r {
	case '-', '^':
		return fmt.Sprintf(`\x%02X`, r)
	case '[', ']', '\\':
		return `\` + string(r)
	}
	return string(r)
}

// plain prints one character outside a class.
func plain(r rune) string {
	if text := inJSON(r); text != "" {
		return `\\` + plainASCII(text)
	}
	if r < utf8.RuneSelf {
		return plainASCII(string(r))
	}
	return string(r)
}

// plainASCII escapes what has a meaning in a pattern.
func plainASCII(s string) string {
	if s == "" || strings.Contains(`^$.[]()|{}*+?\`, s) {
		return `\` + s
	}
	return s
}

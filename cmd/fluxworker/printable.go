package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text of others can change a terminal or forge lines: errors and logs of servers, locks of other runs, names of files and
// models, rows. The functions below replace control characters by escapes such as \x1b. Letters of all scripts stay.

// printable escapes control characters, and indents every line but the first, so that no line of the text looks like a line
// of the log.
func printable(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		before, rest := "", line
		for i > 0 && strings.HasPrefix(rest, " ") {
			before, rest = before+" ", rest[1:]
		}
		if i > 0 && len(before) < 4 {
			before = "    "
		}
		lines[i] = before + escaped(rest, '\t')
	}
	return strings.Join(lines, "\n")
}

// printf prints like fmt.Fprintf, with control characters escaped in the arguments, line ends included. An argument of type
// own is printed as it is.
func printf(out io.Writer, format string, args ...any) (int, error) {
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			args[i] = escaped(arg, utf8.RuneError)
		case fmt.Stringer, error:
			args[i] = escaped(fmt.Sprint(arg), utf8.RuneError)
		}
	}
	return fmt.Fprintf(out, format, args...)
}

// own is text of this program that may have control characters, such as the cells of a table.
type own string

// escaped escapes all characters that are not graphic, except one and those that join the letters of some scripts.
func escaped(text string, except rune) string {
	shown := func(r rune) bool {
		const nonJoiner, joiner = '\u200c', '\u200d'
		return unicode.IsGraphic(r) || r == except || r == nonJoiner || r == joiner
	}
	if utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !shown(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case shown(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return b.String()
}

// escapedFields escapes the texts of a line of the log: the message, and lists. The log quotes other texts itself.
func escapedFields(fields map[string]any) error {
	for name, value := range fields {
		switch value := value.(type) {
		case string:
			if name == "message" {
				fields[name] = printable(value)
			}
		case []any:
			for i, element := range value {
				if text, ok := element.(string); ok {
					value[i] = escaped(text, utf8.RuneError)
				}
			}
		}
	}
	return nil
}

// jsonEscaper escapes control characters in lines of JSON. JSON itself demands that only for some of them.
type jsonEscaper struct{ out io.Writer }

// Write writes whole lines.
func (j jsonEscaper) Write(lines []byte) (int, error) {
	text := string(lines)
	if strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }) >= 0 {
		var b strings.Builder
		for _, r := range text {
			switch {
			case r == '\n' || unicode.IsGraphic(r):
				b.WriteRune(r)
			case r > 0xffff:
				fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
			default:
				fmt.Fprintf(&b, `\u%04x`, r)
			}
		}
		text = b.String()
	}
	_, err := io.WriteString(j.out, text)
	return len(lines), err
}

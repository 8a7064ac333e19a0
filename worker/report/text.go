package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest texts that a report shows, in bytes.
const (
	maxAnswer  = 4 << 10
	maxPrompt  = 4 << 10
	maxMessage = 600
	maxName    = 120
)

// clip returns at most limit bytes of a text, in whole characters, without what a page must not hold. A cut text ends with …
// and the number of characters that are left out.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return clean(text)
	}
	end := limit
	for end > 0 && end > limit-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return clean(text[:end]) + fmt.Sprintf(" … (%s more characters)", grouped(int64(utf8.RuneCountInString(text[end:]))))
}

// clean replaces what HTML forbids and what a reader cannot see: invalid UTF-8, control characters (by their pictures) and
// code points that are no characters. Line ends become newlines.
func clean(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r < ' ':
			return '\u2400' + r // the picture of the control character
		case r == 0x7f:
			return '\u2421'
		case unicode.IsControl(r), r&0xfffe == 0xfffe, r >= 0xfdd0 && r <= 0xfdef:
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// grouped returns a whole number with a comma before each three digits.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// count returns a number of things, such as "1 row" or "2,000 rows".
func count(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + one + "s"
}

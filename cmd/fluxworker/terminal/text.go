// Package terminal draws on a terminal: text in columns that fit the window, a line that replaces itself, and a screen that
// leaves the terminal as it was.
package terminal

import (
	"math"
	"os"
	"strings"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// The size of an output that is not a terminal.
const (
	assumedColumns = 80
	assumedLines   = 24
)

// Width returns the number of columns that a text takes.
func Width(text string) int { return uniseg.StringWidth(text) }

// Cut shortens a text to a number of columns. The last column of a shortened text is an ellipsis.
func Cut(text string, columns int) string {
	if Width(text) <= columns {
		return text
	}
	end, used, state := 0, 0, -1
	for rest := text; rest != ""; {
		var cluster string
		var width int
		cluster, rest, width, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used+width > columns-1 {
			break
		}
		used, end = used+width, end+len(cluster)
	}
	if columns < 1 {
		return ""
	}
	return text[:end] + "…"
}

// barOf returns a bar of a number of columns, of which a part from 0 to 1 is filled. Only a part of 1 fills the bar.
func barOf(columns int, part float64) (filled, empty string) {
	full := int(math.Floor(min(max(part, 0), 1) * float64(columns)))
	return strings.Repeat("█", full), strings.Repeat("░", columns-full)
}

// Redraws reports whether a file is a terminal that can write over what it shows.
func Redraws(f *os.File) bool { return term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" }

// size returns the columns and lines of a terminal; 80 columns and 24 lines where the file is not a terminal.
func size(f *os.File) (columns, lines int) {
	columns, lines, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 1 || lines < 1 {
		return assumedColumns, assumedLines
	}
	return columns, lines
}

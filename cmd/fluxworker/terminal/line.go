package terminal

import (
	"os"
	"strings"
	"sync"
)

// Line is a line at the end of a terminal's text, below the lines that Write writes. Its methods are safe for concurrent use.
type Line struct {
	out     *os.File
	colours Colours

	mu    sync.Mutex
	text  string
	shown int // terminal columns of the text
}

// NewLine returns a line of a terminal, which shows nothing yet.
func NewLine(out *os.File) *Line { return &Line{out: out, colours: ColoursOf(out)} }

// Write writes whole lines of text above the line.
func (l *Line) Write(lines []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.out.WriteString(l.erased() + string(lines) + l.text); err != nil {
		return 0, err
	}
	return len(lines), nil
}

// Show replaces the line by a table's columns with one cell each, as many as fit the window.
func (l *Line) Show(columns []Column) {
	l.mu.Lock()
	defer l.mu.Unlock()
	width, _ := size(l.out)
	plain, text := Lines(columns, width-1, false)[0], Lines(columns, width-1, l.colours)[0] // text in the last column may wrap
	if text == l.text {
		return
	}
	after := strings.Repeat(" ", max(0, min(l.shown, width-1)-Width(plain)))
	l.text, l.shown = text, Width(plain)
	l.out.WriteString("\r" + text + after) // a write to a closed terminal fails, and the run goes on without the line
}

// Clear removes the line.
func (l *Line) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.WriteString(l.erased())
	l.text, l.shown = "", 0
}

// erased returns what removes the line from the terminal. It has no control sequence, which TERM=dumb would not understand.
func (l *Line) erased() string {
	if l.shown == 0 {
		return ""
	}
	width, _ := size(l.out)
	return "\r" + strings.Repeat(" ", min(l.shown, width-1)) + "\r"
}

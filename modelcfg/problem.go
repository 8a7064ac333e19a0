package modelcfg

import (
	"fmt"
	"strings"
)

// Problem is something wrong at one place of a file. It serves as warning and as part of a ValidationError.
type Problem struct {
	// File is the path as it was given to Load or Resolve; empty where the problem is not in a file.
	File string
	// Line counts from 1; 0 is the file as a whole.
	Line int
	// Field is the path of the key, such as "parameters.temperature"; empty for the file as a whole.
	Field string
	// Text says what is wrong and what would be right; it follows the field in a sentence.
	Text string
}

// String is "file:line: field text", each part only where it is known.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.File != "" && p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.File != "" {
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + " ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// ValidationError is everything that is wrong with a file, in the order of its lines.
type ValidationError struct {
	Problems []Problem
}

// Error lists the problems, one a line.
func (e *ValidationError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

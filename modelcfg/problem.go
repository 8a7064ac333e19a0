package modelcfg

import (
	"fmt"
	"strings"
)

// Problem is an error or a warning about one place in a file.
type Problem struct {
	// File is the path as given to Resolve; empty if the problem is not in a file.
	File string
	// Line counts from 1; 0 means the whole file.
	Line int
	// Field is the path of the key, such as "parameters.temperature"; empty for the whole file.
	Field string
	// Text describes the error and the correct form; it follows the field in a sentence.
	Text string
}

// String returns "file:line: field text", with the known parts only.
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

// ValidationError holds all errors in a file, in the order of the lines.
type ValidationError struct {
	Problems []Problem
}

// Error returns the problems, one per line.
func (e *ValidationError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

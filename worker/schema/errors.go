package schema

import "fmt"

// LimitError is a schema beyond one of the limits of this package.
type LimitError struct{ text string } // for example "has more than 2000 subschemas"

func (e *LimitError) Error() string {
	return e.text + "; simplify the schema, or split the row"
}

// UnsupportedError is a valid schema that fluxworker cannot check, or that no server can turn into a grammar.
type UnsupportedError struct {
	At   string // JSON pointer of the place in the schema
	text string
}

func (e *UnsupportedError) Error() string { return "at " + e.At + " it has " + e.text }

// InvalidError is a text that is not a JSON Schema.
type InvalidError struct{ text string }

func (e *InvalidError) Error() string { return e.text }

func invalidf(format string, args ...any) *InvalidError {
	return &InvalidError{fmt.Sprintf(format, args...)}
}

package parquet

import (
	"encoding/json"
	"errors"
	"strconv"
)

// Type is the type of the values of a column.
type Type string

// The types. The empty type is that of a column without a value.
const (
	Text    Type = "text"
	Integer Type = "integer" // of 64 bits
	Number  Type = "number"  // of double precision
	Boolean Type = "boolean"
	JSON    Type = "json"
)

// Column is a column with values from JSON.
type Column struct {
	Name string
	Type Type
}

// TypeOf returns the type of a JSON value; "" for null. An integer of more than 64 bits is JSON: a double would change its digits, which
// may be those of an id.
func TypeOf(value json.RawMessage) Type {
	if len(value) == 0 {
		return ""
	}
	switch value[0] {
	case 'n':
		return ""
	case '"':
		return Text
	case 't', 'f':
		return Boolean
	case '{', '[':
		return JSON
	}
	switch _, err := strconv.ParseInt(string(value), 10, 64); {
	case err == nil:
		return Integer
	case errors.Is(err, strconv.ErrRange):
		return JSON
	}
	return Number
}

// Types finds the type of a column that holds values of several types.
type Types struct{ common Type }

// Add adds the type of a value.
func (t *Types) Add(of Type) {
	switch {
	case of == "" || of == t.common:
	case t.common == "":
		t.common = of
	case t.common == Integer && of == Number, t.common == Number && of == Integer:
		t.common = Number
	default:
		t.common = JSON
	}
}

// Type returns the type that holds all values: integers and numbers together are numbers, every other mixture is JSON.
func (t *Types) Type() Type { return t.common }

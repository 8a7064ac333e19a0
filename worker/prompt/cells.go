package prompt

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"fluxworker/worker/parquet"
)

// Columns returns the columns of a table, in order; nil for every other input, whose objects need not have the same columns.
func (r *Reader) Columns() []string {
	switch f := r.form.(type) {
	case *table:
		return f.columns
	case *parquetForm:
		return f.columns
	}
	return nil
}

// Table returns the table of Parquet that the rows come from; nil for another input.
func (r *Reader) Table() *parquet.Table {
	if f, ok := r.form.(*parquetForm); ok {
		return f.table
	}
	return nil
}

// NamesColumn returns the column with the custom_ids; empty if the input has no such column.
func (r *Reader) NamesColumn() string { return r.layout.IDColumn }

// Members calls do for each member of the JSON object that Next returned last, with the name and the value; not for another row.
func (r *Reader) Members(do func(name string, value []byte)) {
	if text := r.object(); text != nil {
		EachMember(text, func(quoted, value []byte) { do(unquote(quoted), value) })
	}
}

// Values returns a JSON list with the values of these columns of the row that Next returned last, as they are in the input: texts of
// a table without types. A column that the row lacks is null. The result is valid until the next call of Next.
func (r *Reader) Values(names []string) []byte {
	values := make([]json.RawMessage, len(names))
	if t, ok := r.form.(*table); ok {
		for i, name := range names {
			if at, err := t.columns.position(name); err == nil && at < len(r.line.cells) {
				values[i] = textValue(string(bytes.ToValidUTF8([]byte(r.line.cells[at]), []byte("\ufffd"))))
			}
		}
		return list(values)
	}
	r.Members(func(name string, value []byte) {
		if i := slices.Index(names, name); i >= 0 {
			values[i] = value
		}
	})
	return list(values)
}

// object returns the row as a JSON object; nil for a row that is no object.
func (r *Reader) object() []byte {
	if l, ok := r.form.(interface{ object(l *line) []byte }); ok && !r.line.tooLong {
		return l.object(&r.line)
	}
	return nil
}

// TextOf returns the text of a JSON value for a cell of a table: a string without its quotes, any other value as JSON, and nothing
// for null and for no value.
func TextOf(value []byte) string {
	switch {
	case len(value) == 0, value[0] == 'n':
		return ""
	case value[0] == '"':
		return unquote(value)
	}
	return string(value)
}

// object returns the row as a JSON object; nil for a row that is no object.
func (f *lines) object(l *line) []byte {
	if f.format == Text || !utf8.Valid(l.text) {
		return nil
	}
	return f.input(l, "")
}

// textValue returns a text as JSON.
func textValue(text string) json.RawMessage { return inputObject(text) }

// list returns a JSON list of values.
func list(values []json.RawMessage) []byte {
	b := []byte("[")
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		if value == nil {
			value = []byte("null")
		}
		b = append(b, value...)
	}
	return append(b, ']')
}

package prompt

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"fluxworker/worker/parquet"
)

// Columns returns the columns of a table, in order; nil for every other input, whose objects need not have the same columns. A column
// with the name of an earlier column has a number: note_2.
func (r *Reader) Columns() []string {
	switch f := r.form.(type) {
	case *table:
		return f.distinct
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

// Values returns a function that returns a JSON list with the values of these columns of the row that Next returned last, as they are in
// the input: texts of a table without types. A column that the row lacks is null. The list is valid until the next call of Next.
func (r *Reader) Values(names []string) func() []byte {
	values := make([]json.RawMessage, len(names))
	if t, ok := r.form.(*table); ok {
		at := places(t.distinct)
		return func() []byte {
			clear(values)
			for i, name := range names {
				if at, known := at[name]; known && at < len(r.line.cells) {
					values[i] = textValue(string(bytes.ToValidUTF8([]byte(r.line.cells[at]), []byte("\ufffd"))))
				}
			}
			return list(values)
		}
	}
	to := places(names)
	return func() []byte {
		clear(values)
		r.Members(func(name string, value []byte) {
			if i, wanted := to[name]; wanted {
				values[i] = value
			}
		})
		return list(values)
	}
}

// places returns the index of each name. A search in the list for each column of each row would take hours for wide tables.
func places(names []string) map[string]int {
	at := make(map[string]int, len(names))
	for i, name := range names {
		at[name] = i
	}
	return at
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

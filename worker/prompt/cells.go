package prompt

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Columns returns the columns of a table, in order; nil for every other input, whose objects need not have the same columns.
func (r *Reader) Columns() []string {
	if t, ok := r.form.(*table); ok {
		return t.columns
	}
	return nil
}

// NamesColumn returns the column with the custom_ids; empty if the input has no such column.
func (r *Reader) NamesColumn() string { return r.layout.IDColumn }

// Members returns the names of the columns of the JSON object that Next returned last; nil for another row.
func (r *Reader) Members() (names []string) {
	if text := r.Input(); text != nil && r.Columns() == nil {
		EachMember(text, func(quoted, _ []byte) { names = append(names, unquote(quoted)) })
	}
	return names
}

// Cells returns a JSON list with the texts of these columns of the row that Next returned last. A text is as it is in the input, a
// number, a list or an object as JSON; a column that the row lacks is empty. The result is valid until the next call of Next.
func (r *Reader) Cells(names []string) []byte {
	cells := make([]string, len(names))
	if t, ok := r.form.(*table); ok {
		for i, name := range names {
			if at, err := t.columns.position(name); err == nil && at < len(r.line.cells) {
				cells[i] = string(bytes.ToValidUTF8([]byte(r.line.cells[at]), []byte("\ufffd")))
			}
		}
		return cellList(cells)
	}
	if l, ok := r.form.(interface{ object(l *line) []byte }); ok && !r.line.tooLong {
		if text := l.object(&r.line); text != nil {
			values := make(map[string][]byte)
			EachMember(text, func(quoted, value []byte) { values[unquote(quoted)] = value })
			for i, name := range names {
				cells[i] = TextOf(values[name])
			}
		}
	}
	return cellList(cells)
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

func cellList(cells []string) []byte {
	list, err := json.Marshal(cells)
	if err != nil {
		panic("encode strings: " + err.Error())
	}
	return list
}

package parquet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	pq "github.com/parquet-go/parquet-go"
)

// nodes are the columns of the types. A column without a value is one of texts.
var nodes = map[Type]pq.Node{
	"":   pq.String(),
	Text: pq.String(), Integer: pq.Int(64), Number: pq.Leaf(pq.DoubleType), Boolean: pq.Leaf(pq.BooleanType), JSON: pq.JSON(),
}

// Own are columns of a table that another table has, too, with their types.
type Own struct {
	reader  *Reader
	columns []*column
	sources []int    // the leaf columns of the table that are copied; by the leaf column of the copy
	runs    []pq.Row // the values of a row, by leaf column of the table
}

// Select returns columns of the table for a Writer, in the order of the names. A name that the table does not have gives an error.
func (t *Table) Select(names []string) (*Own, error) {
	own := &Own{reader: t.NewReader()}
	leaves := newNode(t.root, 0, 0).last
	own.reader.chosen, own.runs = make([]bool, leaves), make([]pq.Row, leaves)
	for _, name := range names {
		c := t.root.Column(name)
		if c == nil {
			return nil, fmt.Errorf("there is no column %q", name)
		}
		copied := copyOf(c)
		own.columns = append(own.columns, copied)
		first := newNode(c, 0, 0).first
		for i := range copied.leaves() {
			own.sources = append(own.sources, first+i)
			own.reader.chosen[first+i] = true
		}
	}
	return own, nil
}

// at returns the values of the row with this index, of all chosen leaf columns, in the order of the copy. The index must grow from
// call to call, or be the same.
func (o *Own) at(index int64) (values pq.Row, err error) {
	if len(o.sources) == 0 {
		return nil, nil
	}
	var row pq.Row
	for o.reader.at <= index {
		if row, err = o.reader.next(); err != nil {
			if err == io.EOF {
				err = fmt.Errorf("the Parquet input has no row %d: it was replaced", index+1)
			}
			return nil, err
		}
	}
	byLeaf(row, o.runs)
	for i, source := range o.sources {
		for _, v := range o.runs[source] {
			values = append(values, v.Level(v.RepetitionLevel(), v.DefinitionLevel(), i))
		}
	}
	return values, nil
}

// Close closes the table that the columns come from.
func (o *Own) Close() error { return o.reader.Close() }

// Writer writes a table: the columns before, the own columns, and the columns behind.
type Writer struct {
	to        *pq.GenericWriter[any]
	before    []Column
	own       *Own // nil without own columns
	behind    []Column
	ownLeaves int
	index     int64 // of the row whose own values are kept
	values    pq.Row
	row       pq.Row
	bytes     int // of the rows of this row group, about
}

// groupBytes is the size at which a row group is written. It bounds the memory: a group is kept until it is whole.
const groupBytes = 16 << 20

// ours is the key of the metadata of a table that this package has written.
const ours = "fluxworker.table"

// NewWriter returns a Writer. own may be nil.
func NewWriter(to io.Writer, before []Column, own *Own, behind []Column) *Writer {
	w := &Writer{before: before, own: own, behind: behind, index: -1}
	var columns []*column
	add := func(list []Column) {
		for _, c := range list {
			columns = append(columns, newColumn(c.Name, nodes[c.Type]))
		}
	}
	add(before)
	if own != nil {
		columns, w.ownLeaves = append(columns, own.columns...), len(own.sources)
	}
	add(behind)
	w.to = pq.NewGenericWriter[any](to, pq.NewSchema("table", rootOf(columns)), pq.Compression(&pq.Snappy), pq.DataPageVersion(1),
		pq.CreatedBy("fluxworker", "1", ""), pq.KeyValueMetadata(ours, "1"))
	return w
}

// Write writes a row. index is that of the own columns' row, from 0, and must not fall from call to call. The values are JSON, for
// the columns before and behind together; nil and null are null. A value that does not fit its column is null.
func (w *Writer) Write(index int64, values []json.RawMessage) (err error) {
	defer guard(&err, "that is written")
	if w.own != nil && index != w.index {
		if w.values, err = w.own.at(index); err != nil {
			return err
		}
		w.index = index
	}
	w.row = w.row[:0]
	leaf := 0
	add := func(list []Column, values []json.RawMessage) {
		for i, c := range list {
			v := valueOf(c.Type, values[i])
			level := 1
			if v.IsNull() {
				level = 0
			}
			w.row = append(w.row, v.Level(0, level, leaf))
			w.bytes += len(values[i]) + 8
			leaf++
		}
	}
	add(w.before, values[:len(w.before)])
	for _, v := range w.values {
		w.row = append(w.row, v.Level(v.RepetitionLevel(), v.DefinitionLevel(), leaf+v.Column()))
		w.bytes += 8
		if k := v.Kind(); k == pq.ByteArray || k == pq.FixedLenByteArray {
			w.bytes += len(v.ByteArray())
		}
	}
	leaf += w.ownLeaves
	add(w.behind, values[len(w.before):])
	if _, err := w.to.WriteRows([]pq.Row{w.row}); err != nil {
		return err
	}
	if w.bytes < groupBytes {
		return nil
	}
	w.bytes = 0
	return w.to.Flush()
}

// Close writes what is left of the table, and its end.
func (w *Writer) Close() (err error) {
	defer guard(&err, "that is written")
	return w.to.Close()
}

// valueOf returns a JSON value as one of a type; null where it does not fit.
func valueOf(t Type, text json.RawMessage) pq.Value {
	if len(text) == 0 || text[0] == 'n' {
		return pq.NullValue()
	}
	switch t {
	case Text:
		if text[0] == '"' {
			var s string
			if json.Unmarshal(text, &s) != nil {
				return pq.NullValue()
			}
			return pq.ByteArrayValue([]byte(s))
		}
		return pq.ByteArrayValue(text)
	case JSON:
		return pq.ByteArrayValue(text)
	case Integer:
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return pq.Int64Value(n)
		}
		if f, err := strconv.ParseFloat(string(text), 64); err == nil && f == float64(int64(f)) { // 3.0 is an integer of JSON Schema
			return pq.Int64Value(int64(f))
		}
	case Number:
		if f, err := strconv.ParseFloat(string(text), 64); err == nil {
			return pq.DoubleValue(f)
		}
	case Boolean:
		if is := slices.Index([]string{"false", "true"}, string(text)); is >= 0 {
			return pq.BooleanValue(is == 1)
		}
	}
	return pq.NullValue()
}

// IsOurs reports whether the file at path is a table that a Writer has written. The error wraps fs.ErrNotExist without a file.
func IsOurs(path string) (bool, error) {
	f, err := openFile(path)
	if pathError := (*os.PathError)(nil); errors.As(err, &pathError) {
		return false, err
	}
	if err != nil {
		return false, nil
	}
	defer f.close()
	_, found := f.Lookup(ours)
	return found, nil
}

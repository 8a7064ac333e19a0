package parquet

import (
	"strconv"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// Objects returns the rows of a table as JSON objects.
type Objects struct {
	*Reader
	root   node
	leaves []pq.Row // the values of a row that are not written yet, by leaf column
	object []byte
}

// Objects returns a reader of JSON objects that begins at the first row. Close ends the reading.
func (t *Table) Objects() *Objects {
	o := &Objects{Reader: t.NewReader(), root: newNode(t.root, 0, 0)}
	o.leaves = make([]pq.Row, o.root.last)
	return o
}

// Next returns the next row as a JSON object with a member for each column, valid until the next call, or io.EOF. A null is null, a
// list is a list, a group is an object, a map is an object; a date and a time are texts as in ISO 8601, a decimal is a number, bytes
// that are no UTF-8 are base64. The texts of columns of strings are copied as they are, also where they are not UTF-8.
func (o *Objects) Next() (object []byte, err error) {
	row, err := o.next()
	if err != nil {
		return nil, err
	}
	defer guard(&err, o.table.parts[min(o.part, len(o.table.parts)-1)].path)
	byLeaf(row, o.leaves)
	o.object = o.append(o.object[:0], &o.root)
	return o.object, nil
}

// node is a column, or a group of columns, with the places of its values. The levels are those of Dremel ("Dremel: Interactive
// Analysis of Web-Scale Datasets", 2010), as in the format's description of nested columns.
type node struct {
	name        string // as JSON
	kind        kind
	optional    bool
	repeated    bool
	definition  int // level of a value that is there, of this column
	repetition  int
	first, last int // range of the leaf columns
	children    []node
	write       func([]byte, pq.Value) []byte // of a leaf
}

// kind is the form of a column in JSON.
type kind int

const (
	leaf   kind = iota
	object      // a group
	list        // a group with one repeated child, whose elements are the list's
	dict        // a group with one repeated child of keys and values
	inner       // a group in a list that holds only the element
)

// newNode returns the node of a column below one with these levels.
func newNode(c *pq.Column, definition, repetition int) node {
	n := node{name: string(appendString(nil, []byte(c.Name()))), optional: c.Optional(), repeated: c.Repeated(), definition: definition, repetition: repetition}
	if n.optional || n.repeated {
		n.definition++
	}
	if n.repeated {
		n.repetition++
	}
	if c.Leaf() {
		n.first, n.last, n.write = c.Index(), c.Index()+1, writerOf(c.Type())
		return n
	}
	n.kind = object
	for _, child := range c.Columns() {
		n.children = append(n.children, newNode(child, n.definition, n.repetition))
	}
	if len(n.children) > 0 {
		n.first, n.last = n.children[0].first, n.children[len(n.children)-1].last
	}
	if len(n.children) == 1 && n.children[0].repeated {
		child := &n.children[0]
		switch annotation(c) {
		case "LIST":
			// Old writers have no group around the element; the rules are those of the format's description of lists.
			if name := c.Columns()[0].Name(); child.kind == object && len(child.children) == 1 && name != "array" && name != c.Name()+"_tuple" {
				child.kind = inner
			}
			n.kind = list
		case "MAP":
			if child.kind == object && len(child.children) == 2 {
				n.kind = dict
			}
		}
	}
	return n
}

// annotation returns the logical type of a column, such as LIST; "" without one.
func annotation(c *pq.Column) string {
	if t := c.Type().LogicalType(); t != nil {
		return t.String()
	}
	return ""
}

// append writes the value of a column that may be missing or repeated.
func (o *Objects) append(b []byte, n *node) []byte {
	switch {
	case n.repeated:
		return o.appendList(b, n)
	case n.optional && o.missing(n):
		o.skip(n)
		return append(b, "null"...)
	}
	return o.appendOne(b, n)
}

// missing reports whether the next value of a column is null, or an empty list.
func (o *Objects) missing(n *node) bool {
	next := o.leaves[n.first]
	return len(next) == 0 || next[0].DefinitionLevel() < n.definition
}

// skip drops the place of a missing value in each of its leaf columns.
func (o *Objects) skip(n *node) {
	for i := n.first; i < n.last; i++ {
		if len(o.leaves[i]) > 0 {
			o.leaves[i] = o.leaves[i][1:]
		}
	}
}

// each calls do for each element of a repeated column.
func (o *Objects) each(n *node, do func(first bool)) {
	if o.missing(n) {
		o.skip(n)
		return
	}
	for first := true; ; first = false {
		left := len(o.leaves[n.first])
		do(first)
		next := o.leaves[n.first]
		if len(next) == 0 || len(next) == left || next[0].RepetitionLevel() != n.repetition {
			return
		}
	}
}

func (o *Objects) appendList(b []byte, n *node) []byte {
	b = append(b, '[')
	o.each(n, func(first bool) {
		if !first {
			b = append(b, ',')
		}
		b = o.appendOne(b, n)
	})
	return append(b, ']')
}

// appendOne writes a value that is there.
func (o *Objects) appendOne(b []byte, n *node) []byte {
	switch n.kind {
	case list:
		return o.appendList(b, &n.children[0])
	case inner:
		return o.append(b, &n.children[0])
	case dict:
		return o.appendDict(b, &n.children[0])
	case object:
		b = append(b, '{')
		for i := range n.children {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, n.children[i].name...), ':')
			b = o.append(b, &n.children[i])
		}
		return append(b, '}')
	}
	next := o.leaves[n.first]
	if len(next) == 0 { // a damaged file
		return append(b, "null"...)
	}
	o.leaves[n.first] = next[1:]
	if next[0].IsNull() {
		return append(b, "null"...)
	}
	return n.write(b, next[0])
}

// appendDict writes a map. A key that is no text gets quotes.
func (o *Objects) appendDict(b []byte, entry *node) []byte {
	b = append(b, '{')
	o.each(entry, func(first bool) {
		if !first {
			b = append(b, ',')
		}
		from := len(b)
		b = o.append(b, &entry.children[0])
		if b[from] != '"' {
			b = strconv.AppendQuote(b[:from], string(b[from:]))
		}
		b = append(b, ':')
		b = o.append(b, &entry.children[1])
	})
	return append(b, '}')
}

// unitOf returns the number of nanoseconds in a unit of time.
func unitOf(u format.TimeUnit) int64 {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return 1e6
	case *format.MicroSeconds:
		return 1e3
	}
	return 1
}

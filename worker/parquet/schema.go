package parquet

import (
	"reflect"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"
)

// column is a node of the tree of columns that a Writer writes. The library's own groups sort their columns by name, and its nodes
// of a file keep the encodings of the file, of which it cannot write all.
type column struct {
	name               string
	id                 int
	valueType          pq.Type
	goType             reflect.Type
	optional, repeated bool
	leaf               bool
	fields             []pq.Field
}

// copyOf returns a column of a file for another file.
func copyOf(c *pq.Column) *column {
	n := &column{name: c.Name(), id: c.ID(), valueType: c.Type(), optional: c.Optional(), repeated: c.Repeated(), leaf: c.Leaf()}
	group := pq.Group{}
	for _, child := range c.Columns() {
		field := copyOf(child)
		n.fields, group[field.name] = append(n.fields, field), field
	}
	if n.goType = group.GoType(); n.leaf {
		if annotation(c) == pq.NullType.String() {
			n.valueType = nulls{pq.Int32Type}
		}
		n.goType = pq.Leaf(n.valueType).GoType()
	}
	switch {
	case n.optional:
		n.goType = reflect.PointerTo(n.goType)
	case n.repeated:
		n.goType = reflect.SliceOf(n.goType)
	}
	return n
}

// nulls is the type of a column of nulls alone, as pyarrow writes it for pandas: 32-bit integers that are not there. The library reads
// such a column, and panics where it should write it.
type nulls struct{ pq.Type }

func (nulls) LogicalType() *format.LogicalType { return pq.NullType.LogicalType() }

// newColumn returns a column of optional values.
func newColumn(name string, of pq.Node) *column {
	return &column{name: name, valueType: of.Type(), goType: of.GoType(), optional: true, leaf: true}
}

// leaves returns the number of leaf columns.
func (c *column) leaves() int {
	if c.leaf {
		return 1
	}
	n := 0
	for _, child := range c.fields {
		n += child.(*column).leaves()
	}
	return n
}

func (c *column) ID() int                           { return c.id }
func (c *column) Name() string                      { return c.name }
func (c *column) String() string                    { return c.name }
func (c *column) Type() pq.Type                     { return c.valueType }
func (c *column) Optional() bool                    { return c.optional }
func (c *column) Repeated() bool                    { return c.repeated }
func (c *column) Required() bool                    { return !c.optional && !c.repeated }
func (c *column) Leaf() bool                        { return c.leaf }
func (c *column) Fields() []pq.Field                { return c.fields }
func (c *column) Compression() compress.Codec       { return nil }
func (c *column) GoType() reflect.Type              { return c.goType }
func (c *column) Value(reflect.Value) reflect.Value { return reflect.Value{} } // only rows of values are written

// Encoding returns the plain encoding, which every reader has.
func (c *column) Encoding() encoding.Encoding {
	if c.leaf {
		return &pq.Plain
	}
	return nil
}

// root is the group of all columns of a file.
func rootOf(columns []*column) pq.Node {
	root := &column{valueType: pq.Group{}.Type(), goType: pq.Group{}.GoType()}
	for _, c := range columns {
		root.fields = append(root.fields, c)
	}
	return root
}

package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Limits of a schema. They keep the time to compile a schema below a tenth of a second on one core: the library's time
// grows with the square of the number of subschemas, and with the length of their paths.
const (
	maxDepth   = 100     // objects and lists inside each other
	maxObjects = 2_000   // objects, about one per subschema
	maxPaths   = 400_000 // bytes of the JSON pointers of all objects and lists together
	maxDigits  = 1_000   // digits of a number, or its exponent: the library converts numbers to fractions
)

// node is a JSON value. The members of an object keep their order, because a model writes the properties of an answer
// in the order of the schema.
type node struct {
	kind    json.Delim // '{' or '['; 0 for any other value
	members []member   // of an object
	items   []*node    // of a list
	value   any        // any other value: string, json.Number, bool or nil
}

type member struct {
	name  string
	value *node
}

// get returns a member's value, or nil. The last member of a name counts, as in every JSON reader that matters here.
func (n *node) get(name string) *node {
	for _, m := range slices.Backward(n.members) {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// remove removes the members of a name.
func (n *node) remove(name string) {
	n.members = slices.DeleteFunc(n.members, func(m member) bool { return m.name == name })
}

// MarshalJSON writes the value without white space.
func (n *node) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := n.write(&b)
	return b.Bytes(), err
}

func (n *node) write(b *bytes.Buffer) error {
	switch n.kind {
	case '{':
		for i, m := range n.members {
			b.WriteByte("{,"[min(i, 1)])
			if err := writeScalar(b, m.name); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := m.value.write(b); err != nil {
				return err
			}
		}
		if len(n.members) == 0 {
			b.WriteByte('{')
		}
		b.WriteByte('}')
	case '[':
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := item.write(b); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		return writeScalar(b, n.value)
	}
	return nil
}

// writeScalar writes a value without the escapes for HTML, which only lengthen a pattern.
func writeScalar(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	b.Truncate(b.Len() - 1) // Encode appends a line feed
	return err
}

// reader reads a tree within the limits.
type reader struct {
	in             *json.Decoder
	objects, paths int
}

// read returns the tree of a valid JSON text. It returns a *LimitError for a schema beyond a limit.
func read(text []byte) (*node, error) {
	r := &reader{in: json.NewDecoder(bytes.NewReader(text))}
	r.in.UseNumber()
	return r.value(0, 0)
}

// value reads a value at a depth whose JSON pointer has a length in bytes.
func (r *reader) value(depth, path int) (*node, error) {
	token, err := r.in.Token()
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	delim, isDelim := token.(json.Delim)
	if !isDelim {
		if number, ok := token.(json.Number); ok && !computable(string(number), maxDigits) {
			return nil, &LimitError{fmt.Sprintf("has a number beyond %d digits or an exponent beyond %d", maxDigits, maxDigits)}
		}
		return &node{value: token}, nil
	}
	r.paths += path
	if delim == '{' {
		r.objects++
	}
	switch {
	case depth == maxDepth:
		return nil, &LimitError{fmt.Sprintf("is nested deeper than %d levels", maxDepth)}
	case r.objects > maxObjects:
		return nil, &LimitError{fmt.Sprintf("has more than %d subschemas", maxObjects)}
	case r.paths > maxPaths:
		return nil, &LimitError{"has too many subschemas with long paths"}
	}
	n := &node{kind: delim}
	for r.in.More() {
		if delim == '[' {
			item, err := r.value(depth+1, path+2)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
			continue
		}
		name, err := r.in.Token()
		if err != nil {
			return nil, fmt.Errorf("read schema: %w", err)
		}
		value, err := r.value(depth+1, path+1+len(name.(string)))
		if err != nil {
			return nil, err
		}
		n.members = append(n.members, member{name.(string), value})
	}
	_, err = r.in.Token() // the end of the object or list
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return n, nil
}

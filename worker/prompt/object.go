package prompt

import "bytes"

// walker steps through the members of a JSON object or the elements of a list. The JSON must be known to be valid: then
// finding where a value ends takes no more than counting brackets, and nothing is decoded that nobody asks for.
type walker struct{ rest []byte }

// walk starts at an object or a list.
func walk(value []byte) walker { return walker{rest: value[1:]} }

// member returns the next member of an object.
func (w *walker) member() (name, value []byte, ok bool) {
	if name, ok = w.element(); !ok {
		return nil, nil, false
	}
	value, _ = w.element()
	return name, value, true
}

// element returns the next element of a list.
func (w *walker) element() (value []byte, ok bool) {
	w.rest = bytes.TrimLeft(w.rest, " \t\r\n,:")
	if w.rest[0] == ']' || w.rest[0] == '}' {
		return nil, false
	}
	end := valueEnd(w.rest)
	value, w.rest = w.rest[:end], w.rest[end:]
	return value, true
}

// valueEnd is the length of the value that s starts with.
func valueEnd(s []byte) int {
	switch s[0] {
	case '"':
		return stringEnd(s)
	case '{', '[':
		depth := 0
		for i := 0; ; i++ {
			switch s[i] {
			case '"':
				i += stringEnd(s[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	default:
		if end := bytes.IndexAny(s, " \t\r\n,:]}"); end >= 0 {
			return end
		}
		return len(s)
	}
}

// stringEnd is the length of the string that s starts with, quotes included.
func stringEnd(s []byte) int {
	for i := 1; ; i++ {
		i += bytes.IndexByte(s[i:], '"')
		escapes := 0
		for s[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// object holds the values of a JSON object's fields, as they stand in the row.
type object struct {
	values   [fieldCount][]byte
	present  fieldSet // the fields that are given and not null
	unknown  []byte   // the name of the first other field that is given and not null, quoted
	repeated field    // a field that was given more than once, or fieldCount
}

// read reads a valid JSON object. A field given twice keeps its first value. (Not a constructor, so that objects stay on
// the stack.)
func (o *object) read(value []byte) {
	*o = object{repeated: fieldCount}
	w := walk(value)
	for {
		name, value, ok := w.member()
		if !ok {
			return
		}
		null := value[0] == 'n'
		switch f := fieldOf(name); {
		case f == fieldCount:
			if o.unknown == nil && !null {
				o.unknown = name
			}
		case o.values[f] != nil:
			o.repeated = f
		default:
			o.values[f] = value
			if !null {
				o.present |= 1 << f
			}
		}
	}
}

// get is the value of a field, nil where it is absent or null.
func (o *object) get(f field) []byte {
	if !o.present.has(f) {
		return nil
	}
	return o.values[f]
}

// isNull tells a field that is null from one that is absent.
func (o *object) isNull(f field) bool { return o.values[f] != nil && !o.present.has(f) }

// check finds the first field that is repeated or does not belong into the object. advice follows the latter's name.
func (o *object) check(allowed fieldSet, advice string) *problem {
	if o.repeated != fieldCount {
		return problemf(CodeInvalidJSON, o.repeated.String(), "is given more than once")
	}
	if o.unknown != nil {
		name := unquote(o.unknown)
		return problemf(CodeUnsupported, fieldPath(name), "%s", refusal(name, advice))
	}
	for f := range fieldCount {
		if o.present.has(f) && !allowed.has(f) {
			return problemf(CodeUnsupported, f.String(), "%s", refusal(f.String(), advice))
		}
	}
	return nil
}

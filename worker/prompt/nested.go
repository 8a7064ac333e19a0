package prompt

import "slices"

// nested holds the members of an object deep in a row, by name and without null members.
type nested map[string][]byte

// readNested reads an object that may have the allowed members only.
func readNested(value []byte, allowed ...string) (nested, *rowError) {
	if value[0] != '{' {
		return nil, wrongType(value, false, "an object")
	}
	n := make(nested)
	w := walk(value)
	for {
		quoted, value, ok := w.member()
		if !ok {
			return n, nil
		}
		name := unquote(quoted)
		switch {
		case n[name] != nil:
			return nil, rowErrorf(CodeInvalidJSON, fieldPath(name), "is given more than once")
		case value[0] == 'n':
		case !slices.Contains(allowed, name):
			return nil, rowErrorf(CodeUnsupported, fieldPath(name), "%s", unsupportedText(name, unsupportedField))
		default:
			n[name] = value
		}
	}
}

// holds reports whether an object has a member that is not null.
func holds(value []byte, name string) bool {
	w := walk(value)
	for {
		quoted, value, ok := w.member()
		if !ok {
			return false
		}
		if value[0] != 'n' && unquote(quoted) == name {
			return true
		}
	}
}

// text returns a required string member.
func (n nested) text(name string) (string, *rowError) {
	if n[name] == nil {
		return "", rowErrorf(CodeMissing, name, "is missing")
	}
	return n.optionalText(name)
}

// optionalText returns an optional string member.
func (n nested) optionalText(name string) (string, *rowError) {
	switch value := n[name]; {
	case value == nil:
		return "", nil
	case value[0] != '"':
		return "", wrongType(value, false, "a string").under(name)
	default:
		return unquote(value), nil
	}
}

// flag returns an optional boolean member.
func (n nested) flag(name string) (bool, *rowError) {
	value := n[name]
	if value == nil {
		return false, nil
	}
	return boolean(value, name)
}

func boolean(value []byte, name string) (bool, *rowError) {
	if value[0] != 't' && value[0] != 'f' {
		return false, wrongType(value, true, "true or false").under(name)
	}
	return value[0] == 't', nil
}

// decodeBool reads an optional boolean field.
func decodeBool(o *object, f field) (bool, *rowError) {
	value := o.get(f)
	if value == nil {
		return false, nil
	}
	return boolean(value, f.String())
}

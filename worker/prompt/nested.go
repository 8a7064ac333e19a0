package prompt

import "slices"

// nested holds the members of an object deep in a row that few rows have, by name and without those that are null.
type nested map[string][]byte

// readNested reads an object that may have the given members and no other.
func readNested(value []byte, allowed ...string) (nested, *problem) {
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
			return nil, problemf(CodeInvalidJSON, fieldPath(name), "is given more than once")
		case value[0] == 'n':
		case !slices.Contains(allowed, name):
			return nil, problemf(CodeUnsupported, fieldPath(name), "%s", refusal(name, unsupportedField))
		default:
			n[name] = value
		}
	}
}

// holds tells whether an object has a member that is not null.
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

// text is a member that must be there and be a string.
func (n nested) text(name string) (string, *problem) {
	if n[name] == nil {
		return "", problemf(CodeMissing, name, "is missing")
	}
	return n.optionalText(name)
}

// optionalText is a member that must be a string where it is there.
func (n nested) optionalText(name string) (string, *problem) {
	switch value := n[name]; {
	case value == nil:
		return "", nil
	case value[0] != '"':
		return "", wrongType(value, false, "a string").under(name)
	default:
		return unquote(value), nil
	}
}

// flag is a member that must be true or false where it is there.
func (n nested) flag(name string) (bool, *problem) {
	value := n[name]
	if value == nil {
		return false, nil
	}
	return boolean(value, name)
}

func boolean(value []byte, name string) (bool, *problem) {
	if value[0] != 't' && value[0] != 'f' {
		return false, wrongType(value, true, "true or false").under(name)
	}
	return value[0] == 't', nil
}

// decodeBool reads a field that must be true or false where it is there.
func decodeBool(o *object, f field) (bool, *problem) {
	value := o.get(f)
	if value == nil {
		return false, nil
	}
	return boolean(value, f.String())
}

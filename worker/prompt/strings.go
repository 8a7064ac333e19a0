package prompt

// stringsRule is the rule for a field that holds a non-empty string or a list of such strings.
type stringsRule struct {
	empty string // error text for an empty string
	max   int    // maximum length of the list
	many  string // noun for the strings in errors
	show  bool   // errors may show a value of another type
	// other returns the error of an element of another type. If other or its result is nil, the error says only that
	// the element is not a string.
	other func(value []byte) *rowError
}

func decodeStrings(value []byte, rule stringsRule) ([]string, *rowError) {
	switch value[0] {
	case '"':
		if s := unquote(value); s != "" {
			return []string{s}, nil
		}
		return nil, rowErrorf(CodeInvalidValue, "", "%s", rule.empty)
	case '[':
	default:
		return nil, wrongType(value, rule.show, "a string or a list of strings")
	}
	var list []string
	w := walk(value)
	for {
		value, ok := w.element()
		switch {
		case !ok:
			return list, nil
		case value[0] != '"':
			return nil, rule.wrong(value).under(index(len(list)))
		case len(value) == len(`""`):
			return nil, rowErrorf(CodeInvalidValue, index(len(list)), "%s", rule.empty)
		case len(list) == rule.max:
			return nil, rowErrorf(CodeInvalidValue, "", "has more than %d %s", rule.max, rule.many)
		}
		list = append(list, unquote(value))
	}
}

// wrong returns the error of an element that is not a string.
func (r *stringsRule) wrong(value []byte) *rowError {
	if r.other != nil {
		if p := r.other(value); p != nil {
			return p
		}
	}
	return wrongType(value, r.show, "a string")
}

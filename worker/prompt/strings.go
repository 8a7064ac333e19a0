package prompt

// stringsRule is what a field allows that is a string or a list of strings, none of them empty.
type stringsRule struct {
	empty string // what is wrong with an empty one
	most  int    // in a list
	many  string // what the strings are called
	show  bool   // a value of another type may be shown
	// other is what is wrong with an element of another type; nil, or a nil problem, says no more than that it is no string.
	other func(value []byte) *problem
}

func decodeStrings(value []byte, rule stringsRule) ([]string, *problem) {
	switch value[0] {
	case '"':
		if s := unquote(value); s != "" {
			return []string{s}, nil
		}
		return nil, problemf(CodeInvalidValue, "", "%s", rule.empty)
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
			return nil, problemf(CodeInvalidValue, index(len(list)), "%s", rule.empty)
		case len(list) == rule.most:
			return nil, problemf(CodeInvalidValue, "", "has more than %d %s", rule.most, rule.many)
		}
		list = append(list, unquote(value))
	}
}

// wrong is what is wrong with an element that is no string.
func (r *stringsRule) wrong(value []byte) *problem {
	if r.other != nil {
		if p := r.other(value); p != nil {
			return p
		}
	}
	return wrongType(value, r.show, "a string")
}

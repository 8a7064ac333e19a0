package prompt

import "bytes"

// walker iterates over the members of a JSON object or the elements of a list. The JSON must be valid: then counting
// brackets finds the end of a value, and no value is decoded unnecessarily.
type walker struct{ rest []byte }

// walk returns a walker at the start of an object or a list.
func walk(value []byte) walker { return walker{rest: value[1:]} }

// member returns the next member of an object; ok is false at the end.
func (w *walker) member() (name, value []byte, ok bool) {
	if name, ok = w.element(); !ok {
		return nil, nil, false
	}
	value, _ = w.element()
	return name, value, true
}

// element returns the next element of a list; ok is false at the end.
func (w *walker) element() (value []byte, ok bool) {
	w.rest = bytes.TrimLeft(w.rest, " \t\r\n,:")
	if w.rest[0] == ']' || w.rest[0] == '}' {
		return nil, false
	}
	end := valueEnd(w.rest)
	value, w.rest = w.rest[:end], w.rest[end:]
	return value, true
}

// valueEnd returns the length of the value at the start of s.
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

// stringEnd returns the length of the string at the start of s, with its quotes.
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

// object holds the raw values of a JSON object's known fields.
type object struct {
	values   [fieldCount][]byte
	present  fieldSet // the fields that are not null
	unknown  []byte   // quoted name of the first unknown field that is not null
	repeated field    // a field that occurs more than once, or fieldCount
}

// read parses a valid JSON object. A repeated field keeps its first value. (It is not a constructor, so that objects
// stay on the stack.)
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
			if o.unknown == nil && !null && !saysNothing(name, value) {
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

// saysNothing reports whether a field that no request has is as good as null: an empty list, such as the "annotations" of an SDK.
func saysNothing(name, value []byte) bool {
	_, refused := unsupportedReasons[unquote(name)]
	return !refused && emptyList(value)
}

func emptyList(value []byte) bool {
	return value[0] == '[' && len(bytes.Trim(value[1:len(value)-1], blanks+"\n")) == 0
}

// get returns the value of a field, or nil if it is absent or null.
func (o *object) get(f field) []byte {
	if !o.present.has(f) {
		return nil
	}
	return o.values[f]
}

// isNull reports whether a field is present and null.
func (o *object) isNull(f field) bool { return o.values[f] != nil && !o.present.has(f) }

// own returns, for a message, a field that a user may have meant for the prompt: the first field that no request has, which may be
// misspelt, else a field that requests have at another place.
func (o *object) own() string {
	if o.unknown != nil {
		return unquote(o.unknown)
	}
	for _, f := range []field{fieldText, fieldContent, fieldInput, fieldPrompt, fieldMessages} {
		if o.present.has(f) {
			return f.String()
		}
	}
	return ""
}

// has names the field of own in a message about a missing field.
func (o *object) has() string {
	if name := o.own(); name != "" {
		return "; it has " + quote(name)
	}
	return ""
}

// insteadOfPrompt says what a row without a prompt has, and how a column of the user's own is asked.
func (o *object) insteadOfPrompt() string {
	name := o.own()
	if name == "" {
		return ""
	}
	return "; it has " + quote(name) + ": if that is a column of your data, use --prompt-column " + word(name) + ", or --prompt-template"
}

// check returns an error for the first field that is repeated or not allowed. The error text of the latter is its name
// with advice.
func (o *object) check(allowed fieldSet, advice string) *rowError {
	if o.repeated != fieldCount {
		return rowErrorf(CodeInvalidJSON, o.repeated.String(), "is given more than once")
	}
	if o.unknown != nil {
		name := unquote(o.unknown)
		return rowErrorf(CodeUnsupported, fieldPath(name), "%s", unsupportedText(name, advice))
	}
	for f := range fieldCount {
		if o.present.has(f) && !allowed.has(f) {
			return rowErrorf(CodeUnsupported, f.String(), "%s", unsupportedText(f.String(), advice))
		}
	}
	return nil
}

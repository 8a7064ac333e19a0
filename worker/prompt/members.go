package prompt

import (
	"bytes"
	"slices"
)

// members are the members of a JSON object, in the order of the text. They keep what an object drops: fields of any name.
type members []member

type member struct{ name, value []byte } // JSON; the name is quoted

// membersOf reads the members of a valid JSON object.
func membersOf(text []byte) (members, *rowError) {
	var m members
	names := make(map[string]bool)
	w := walk(text)
	for {
		name, value, ok := w.member()
		if !ok {
			return m, nil
		}
		plain := unquote(name)
		if names[plain] { // servers differ in which one counts
			return nil, rowErrorf(CodeInvalidJSON, fieldPath(plain), "is given more than once")
		}
		names[plain] = true
		m = append(m, member{name, value})
	}
}

func (m members) index(name string) int {
	return slices.IndexFunc(m, func(one member) bool { return unquote(one.name) == name })
}

// get returns the value of a member; nil where the member is absent or null.
func (m members) get(name string) []byte {
	i := m.index(name)
	if i < 0 || m[i].value[0] == 'n' {
		return nil
	}
	return m[i].value
}

// has reports whether one of the members is there and not null.
func (m members) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return m.get(name) != nil })
}

// set gives a member a value. A member that is absent becomes the last. The name needs no escapes.
func (m *members) set(name string, value []byte) {
	if i := m.index(name); i >= 0 {
		(*m)[i].value = value
		return
	}
	*m = append(*m, member{[]byte(`"` + name + `"`), value})
}

func (m *members) remove(name string) {
	if i := m.index(name); i >= 0 {
		*m = slices.Delete(*m, i, i+1)
	}
}

// text returns the object, without white space.
func (m members) text() ([]byte, *rowError) {
	var text bytes.Buffer
	for i, one := range m {
		text.WriteByte("{,"[min(i, 1)])
		text.Write(one.name)
		text.WriteByte(':')
		text.Write(one.value)
	}
	if len(m) == 0 {
		text.WriteByte('{')
	}
	text.WriteByte('}')
	return compact(text.Bytes())
}

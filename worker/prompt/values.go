package prompt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
)

// The values of a template. A string, a number and true or false print as in the data, a list and an object as JSON.
type (
	jsonObject map[string]any
	jsonList   []any
	// absent is a value that the row lacks, or that is null. It counts as false in {{if}}, and {{default}} replaces it. A template
	// that prints it fails for the row.
	absent []struct{}
)

func (o jsonObject) String() string { return asJSON(o) }
func (l jsonList) String() string   { return asJSON(l) }

// absentMark is what an absent value prints: bytes that no text in UTF-8 has.
const absentMark = "\xff\xfeabsent"

func (absent) String() string               { return absentMark }
func (absent) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// asJSON returns the JSON of a value. The members of an object are sorted by their names.
func asJSON(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("encode decoded JSON: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// valuesOf returns the members of a JSON object as values of a template.
func valuesOf(object []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.UseNumber() // a number prints as in the data
	var values map[string]any
	if err := dec.Decode(&values); err != nil {
		return nil, err
	}
	for name, v := range values {
		values[name] = valueOf(v)
	}
	return values, nil
}

func valueOf(v any) any {
	switch v := v.(type) {
	case nil:
		return absent{}
	case map[string]any:
		for name, member := range v {
			v[name] = valueOf(member)
		}
		return jsonObject(v)
	case []any:
		for i, element := range v {
			v[i] = valueOf(element)
		}
		return jsonList(v)
	}
	return v
}

// templateFunctions are the functions of a template beside those of text/template.
var templateFunctions = template.FuncMap{
	// trim removes the blanks at both ends.
	"trim": func(v any) string { return strings.TrimSpace(fmt.Sprint(v)) },
	// join puts the elements of a list together, with a separator between them.
	"join": func(separator string, list any) (string, error) {
		elements, ok := list.(jsonList)
		if !ok {
			return "", fmt.Errorf("join needs a list")
		}
		texts := make([]string, len(elements))
		for i, e := range elements {
			texts[i] = fmt.Sprint(e)
		}
		return strings.Join(texts, separator), nil
	},
	// json returns the JSON of a value, of a text with its quotes.
	"json": asJSON,
	// truncate returns the first characters of a text.
	"truncate": func(characters int, v any) string {
		text := fmt.Sprint(v)
		for at := range text {
			if characters--; characters < 0 {
				return text[:at]
			}
		}
		return text
	},
	// default returns another value in place of an empty or absent value.
	"default": func(other, v any) any {
		if truth, _ := template.IsTrue(v); truth {
			return v
		}
		return other
	},
}

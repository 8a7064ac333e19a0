package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxAnswer limits the bytes of an answer that is parsed and checked, about a fifth of a second.
const maxAnswer = 8 << 20

// Parse parses a model's JSON. The error contains nothing of the text.
func Parse(text string) (any, error) {
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("it has %d bytes, and at most %d are checked", len(text), maxAnswer)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok { // its message would quote a character
		return nil, fmt.Errorf("it is not JSON from byte %d on", syntax.Offset)
	}
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	return value, nil
}

// Check returns an error if a model's value, as Parse returns it, violates the schema. The error is one line and names
// only the position in the value and the violated keyword, because it goes to the log, too. A check has a budget of
// steps and ends within about half a second: beyond the budget, Check returns an error without checking.
func (s *Schema) Check(value any) (err error) {
	if err := within(s.compiled, value); err != nil {
		return err
	}
	defer func() {
		if recover() != nil { // a fault of the library; its message may quote the value
			err = errors.New("the check against the schema failed")
		}
	}()
	err = s.compiled.Validate(value)
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	at := pointer(value, invalid.InstanceLocation, s.text)
	return fmt.Errorf("at %s it violates the schema's %s", at, strings.Join(invalid.ErrorKind.KeywordPath(), "/"))
}

// pointer returns the JSON pointer of the value at steps. A name that is not in the schema's text was invented by the
// model and is shown as *.
func pointer(value any, steps []string, schema json.RawMessage) string {
	known := make(map[string]bool)
	var document any
	if json.Unmarshal(schema, &document) == nil {
		addNames(known, document)
	}
	var at strings.Builder
	for _, step := range steps {
		shown := "*"
		switch child := value.(type) {
		case map[string]any:
			if known[step] {
				shown = step
			}
			value = child[step]
		case []any:
			i, err := strconv.Atoi(step)
			value = nil
			if err == nil && i >= 0 && i < len(child) {
				shown, value = step, child[i]
			}
		}
		at.WriteString("/" + shown)
	}
	if at.Len() == 0 {
		return "/"
	}
	return cut(at.String())
}

// maxPointer limits a JSON pointer in a message, in characters.
const maxPointer = 40

func cut(s string) string {
	if r := []rune(s); len(r) > maxPointer {
		return string(r[:maxPointer]) + "…"
	}
	return s
}

// addNames adds all possible property names in a schema: the keys of its objects, and strings such as those of
// required.
func addNames(to map[string]bool, schema any) {
	switch v := schema.(type) {
	case map[string]any:
		for name, child := range v {
			to[name] = true
			addNames(to, child)
		}
	case []any:
		for _, child := range v {
			addNames(to, child)
		}
	case string:
		to[v] = true
	}
}

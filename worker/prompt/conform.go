package prompt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// parseAnswer reads JSON that a model wrote. The error shows nothing of it.
func parseAnswer(text string) (any, error) {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok { // it would quote a character
		return nil, fmt.Errorf("it is no JSON from byte %d on", syntax.Offset)
	}
	if err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	return value, nil
}

// conform tells where a value that a model wrote differs from a schema, on one line. It shows nothing of the value but where
// in it that is, since its error goes to the log, too.
func conform(schema *jsonschema.Schema, text json.RawMessage, value any) error {
	err := schema.Validate(value)
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	at := pointer(value, invalid.InstanceLocation, text)
	return fmt.Errorf("at %s it breaks the schema's %s", cut(at), strings.Join(invalid.ErrorKind.KeywordPath(), "/"))
}

// pointer says where in a value the steps lead to. A name that is not in the schema's text is the model's own and becomes *.
func pointer(value any, steps []string, schema json.RawMessage) string {
	known := make(map[string]bool)
	var document any
	if json.Unmarshal(schema, &document) == nil {
		addNames(known, document)
	}
	var at strings.Builder
	for _, step := range steps {
		shown := "*"
		switch inside := value.(type) {
		case map[string]any:
			if known[step] {
				shown = step
			}
			value = inside[step]
		case []any:
			i, err := strconv.Atoi(step)
			value = nil
			if err == nil && i >= 0 && i < len(inside) {
				shown, value = step, inside[i]
			}
		}
		at.WriteString("/" + shown)
	}
	if at.Len() == 0 {
		return "/"
	}
	return at.String()
}

// addNames adds all that may be the name of a property in a schema: the keys of its objects, and strings such as those of
// required.
func addNames(to map[string]bool, schema any) {
	switch v := schema.(type) {
	case map[string]any:
		for name, inside := range v {
			to[name] = true
			addNames(to, inside)
		}
	case []any:
		for _, inside := range v {
			addNames(to, inside)
		}
	case string:
		to[v] = true
	}
}

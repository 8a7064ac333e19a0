package prompt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// parseAnswer parses a model's JSON. The error contains nothing of the text.
func parseAnswer(text string) (any, error) {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok { // its message would quote a character
		return nil, fmt.Errorf("it is not JSON from byte %d on", syntax.Offset)
	}
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	return value, nil
}

// validateSchema returns an error if a model's value violates a schema. The error is one line and names only the
// position in the value and the violated keyword, because it goes to the log, too.
func validateSchema(schema *jsonschema.Schema, text json.RawMessage, value any) error {
	err := schema.Validate(value)
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	at := pointer(value, invalid.InstanceLocation, text)
	return fmt.Errorf("at %s it violates the schema's %s", cut(at), strings.Join(invalid.ErrorKind.KeywordPath(), "/"))
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
	return at.String()
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

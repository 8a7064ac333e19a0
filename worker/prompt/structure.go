package prompt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Structure is the required form of an answer: a JSON object, or a value that matches a schema.
type Structure struct {
	// Schema is the JSON Schema without white space; nil accepts any object.
	Schema json.RawMessage `json:"schema,omitempty"`

	compiled *jsonschema.Schema
}

// Check returns an error if an answer does not have the form. The error contains nothing of the answer.
func (s *Structure) Check(answer string) error {
	value, err := parseAnswer(answer)
	switch {
	case err != nil:
		return err
	case s.compiled != nil:
		return validateSchema(s.compiled, s.Schema, value)
	}
	if _, isObject := value.(map[string]any); !isObject {
		return errors.New("it is JSON, but not an object")
	}
	return nil
}

// schemas compiles JSON Schemas and caches some, because the rows of a batch often share one schema.
type schemas struct {
	compiled map[string]*jsonschema.Schema
}

// keptSchemas is the maximum number of cached schemas.
const keptSchemas = 64

// noLoader rejects references to other schemas. The library's default loader would read files for a row.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to another schema, %q; put that schema into its $defs", cut(url))
}

// compile compiles a schema from a valid JSON object. It also returns the schema without white space.
func (s *schemas) compile(value []byte) (json.RawMessage, *jsonschema.Schema, *rowError) {
	var text bytes.Buffer
	if err := json.Compact(&text, value); err != nil {
		return nil, nil, rowErrorf(CodeInvalidValue, "", "is not JSON: %s", err)
	}
	if known := s.compiled[text.String()]; known != nil {
		return text.Bytes(), known, nil
	}
	// Keep numbers as written; the standard library would convert them.
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text.Bytes()))
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	if err == nil {
		err = c.AddResource(schemaURL, document)
	}
	var compiled *jsonschema.Schema
	if err == nil {
		compiled, err = c.Compile(schemaURL)
	}
	if err != nil {
		return nil, nil, rowErrorf(CodeInvalidValue, "", "is not a valid JSON Schema: %s", schemaFault(err))
	}
	if len(s.compiled) >= keptSchemas || s.compiled == nil {
		s.compiled = make(map[string]*jsonschema.Schema)
	}
	s.compiled[text.String()] = compiled
	return text.Bytes(), compiled, nil
}

// schemaURL is the internal URL of a row's schema. It is never fetched.
const schemaURL = "urn:row"

// schemaFault returns the library's message on one line, without schemaURL.
func schemaFault(err error) string {
	if invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = invalid.Err
	}
	if elsewhere, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		err = elsewhere.Err
	}
	if broken, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		for len(broken.Causes) > 0 {
			broken = broken.Causes[0]
		}
		if unknown, ok := broken.ErrorKind.(*kind.Enum); ok {
			if name, ok := unknown.Got.(string); ok {
				return fmt.Sprintf("at /%s it is %s, which is unknown to JSON Schema", strings.Join(broken.InstanceLocation, "/"), word(name))
			}
		}
		return fmt.Sprintf("at /%s it violates %s", strings.Join(broken.InstanceLocation, "/"), strings.Join(broken.ErrorKind.KeywordPath(), "/"))
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), schemaURL, "")), " ")
}

// decodeResponseFormat reads the required form of the answer; nil means text.
func (d *decoder) decodeResponseFormat(o *object) (*Structure, *rowError) {
	value := o.get(fieldResponseFormat)
	if value == nil {
		return nil, nil
	}
	s, p := d.structure(value)
	if p != nil {
		return nil, p.under(fieldResponseFormat.String())
	}
	return s, nil
}

func (d *decoder) structure(value []byte) (*Structure, *rowError) {
	format, p := readNested(value, "type", "json_schema")
	if p != nil {
		return nil, p
	}
	kind, p := format.text("type")
	if p != nil {
		return nil, p
	}
	if kind != "json_schema" && format["json_schema"] != nil {
		return nil, rowErrorf(CodeInvalidValue, "json_schema", "is given, but type is %s", word(kind))
	}
	switch kind {
	case "text":
		return nil, nil
	case "json_object":
		return &Structure{}, nil
	case "json_schema":
	default:
		return nil, rowErrorf(CodeInvalidValue, "type", "is %s; it must be text, json_object or json_schema", word(kind))
	}
	value = format["json_schema"]
	if value == nil {
		return nil, rowErrorf(CodeMissing, "json_schema", "is missing")
	}
	s, p := d.schema(value)
	if p != nil {
		return nil, p.under("json_schema")
	}
	return s, nil
}

// schema reads a schema with its name and description. These are OpenAI's and are not passed to the model. An answer is
// always checked, so strict has no effect.
func (d *decoder) schema(value []byte) (*Structure, *rowError) {
	labelled, p := readNested(value, "name", "description", "schema", "strict")
	switch {
	case p != nil && p.code == CodeUnsupported && !holds(value, "schema"):
		return nil, rowErrorf(CodeMissing, "schema", "is missing; json_schema has a name and, in schema, the JSON Schema itself")
	case p != nil:
		return nil, p
	}
	value = labelled["schema"]
	switch {
	case value == nil:
		return nil, rowErrorf(CodeMissing, "schema", "is missing")
	case value[0] != '{':
		return nil, wrongType(value, false, "an object").under("schema")
	}
	s := new(Structure)
	if s.Schema, s.compiled, p = d.schemas.compile(value); p != nil {
		return nil, p.under("schema")
	}
	return s, nil
}

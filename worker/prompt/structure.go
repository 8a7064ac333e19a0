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

// Structure is what an answer must be where a row asks for more than text: a JSON object, or a value that a schema
// describes.
type Structure struct {
	// Schema is the JSON Schema, without white space; nil where any object will do.
	Schema json.RawMessage `json:"schema,omitempty"`

	compiled *jsonschema.Schema
}

// Check tells what is wrong with an answer, without a word of it; nil where nothing is.
func (s *Structure) Check(answer string) error {
	value, err := parseAnswer(answer)
	switch {
	case err != nil:
		return err
	case s.compiled != nil:
		return conform(s.compiled, s.Schema, value)
	}
	if _, isObject := value.(map[string]any); !isObject {
		return errors.New("it is JSON, but no object")
	}
	return nil
}

// schemas compiles JSON Schemas. The rows of a batch often share one, so the last few are kept.
type schemas struct {
	compiled map[string]*jsonschema.Schema
}

// keptSchemas is how many compiled schemas are kept.
const keptSchemas = 64

// closed is where schemas may load others from: nowhere. The library's own way would read files for a row.
type closed struct{}

func (closed) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to a schema that is not in it, %q; write that into its $defs", cut(url))
}

// compile makes a schema of a valid JSON object, which it returns without white space.
func (s *schemas) compile(value []byte) (json.RawMessage, *jsonschema.Schema, *problem) {
	var text bytes.Buffer
	if err := json.Compact(&text, value); err != nil {
		return nil, nil, problemf(CodeInvalidValue, "", "is no JSON: %s", err)
	}
	if known := s.compiled[text.String()]; known != nil {
		return text.Bytes(), known, nil
	}
	// Numbers must stay as they are written, which the standard library would not let them.
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text.Bytes()))
	c := jsonschema.NewCompiler()
	c.UseLoader(closed{})
	if err == nil {
		err = c.AddResource(schemaURL, document)
	}
	var compiled *jsonschema.Schema
	if err == nil {
		compiled, err = c.Compile(schemaURL)
	}
	if err != nil {
		return nil, nil, problemf(CodeInvalidValue, "", "is no valid JSON Schema: %s", schemaFault(err))
	}
	if len(s.compiled) >= keptSchemas || s.compiled == nil {
		s.compiled = make(map[string]*jsonschema.Schema)
	}
	s.compiled[text.String()] = compiled
	return text.Bytes(), compiled, nil
}

// schemaURL is what a row's schema calls itself. It is never fetched.
const schemaURL = "urn:row"

// schemaFault is the library's message on one line, without our name of the schema.
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
				return fmt.Sprintf("at /%s it is %s, which JSON Schema does not know", strings.Join(broken.InstanceLocation, "/"), word(name))
			}
		}
		return fmt.Sprintf("at /%s it breaks %s", strings.Join(broken.InstanceLocation, "/"), strings.Join(broken.ErrorKind.KeywordPath(), "/"))
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), schemaURL, "")), " ")
}

// decodeResponseFormat reads what an answer must be; nil is text.
func (d *decoder) decodeResponseFormat(o *object) (*Structure, *problem) {
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

func (d *decoder) structure(value []byte) (*Structure, *problem) {
	format, p := readNested(value, "type", "json_schema")
	if p != nil {
		return nil, p
	}
	kind, p := format.text("type")
	if p != nil {
		return nil, p
	}
	if kind != "json_schema" && format["json_schema"] != nil {
		return nil, problemf(CodeInvalidValue, "json_schema", "is given, but type is %s", word(kind))
	}
	switch kind {
	case "text":
		return nil, nil
	case "json_object":
		return &Structure{}, nil
	case "json_schema":
	default:
		return nil, problemf(CodeInvalidValue, "type", "is %s; it must be text, json_object or json_schema", word(kind))
	}
	value = format["json_schema"]
	if value == nil {
		return nil, problemf(CodeMissing, "json_schema", "is missing")
	}
	s, p := d.schema(value)
	if p != nil {
		return nil, p.under("json_schema")
	}
	return s, nil
}

// schema reads a schema with its label. The label is OpenAI's and says nothing that Ollama could pass on to a model. An
// answer is always checked, so that strict makes no difference.
func (d *decoder) schema(value []byte) (*Structure, *problem) {
	labelled, p := readNested(value, "name", "description", "schema", "strict")
	switch {
	case p != nil && p.code == CodeUnsupported && !holds(value, "schema"):
		return nil, problemf(CodeMissing, "schema", "is missing; json_schema has a name and, in schema, the JSON Schema itself")
	case p != nil:
		return nil, p
	}
	value = labelled["schema"]
	switch {
	case value == nil:
		return nil, problemf(CodeMissing, "schema", "is missing")
	case value[0] != '{':
		return nil, wrongType(value, false, "an object").under("schema")
	}
	s := new(Structure)
	if s.Schema, s.compiled, p = d.schemas.compile(value); p != nil {
		return nil, p.under("schema")
	}
	return s, nil
}

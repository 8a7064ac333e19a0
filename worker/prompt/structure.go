package prompt

import (
	"encoding/json"
	"errors"

	"fluxworker/worker/schema"
)

// Structure is the required form of an answer: a JSON object, or a value that matches a schema.
type Structure struct {
	// Schema is the JSON Schema without white space; nil accepts any object.
	Schema json.RawMessage `json:"schema,omitempty"`

	compiled *schema.Schema
}

// Grammar returns the schema in the form that the grammars of the servers hold; nil accepts any object. The key of a row
// and the check of an answer stay with Schema.
func (s *Structure) Grammar() json.RawMessage {
	if s.compiled == nil {
		return s.Schema
	}
	return s.compiled.Grammar
}

// Check returns an error if an answer does not have the form. The error contains nothing of the answer. The check of a
// large answer ends within about a second.
func (s *Structure) Check(answer string) error {
	value, err := schema.Parse(answer)
	switch {
	case err != nil:
		return err
	case s.compiled != nil:
		return s.compiled.Check(value)
	}
	if _, isObject := value.(map[string]any); !isObject {
		return errors.New("it is JSON, but not an object")
	}
	return nil
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
	format, p := readNested(value, "type", "json_schema", "schema")
	if p != nil {
		return nil, p
	}
	if format["schema"] != nil { // llama.cpp and others read it there
		return nil, rowErrorf(CodeUnsupported, "schema", `is not supported at this place: write "type": "json_schema" and "json_schema": {"name": "answer", "schema": …}`)
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
	if s.Schema, p = compact(value); p == nil {
		s.compiled, p = d.schemas.format(s.Schema)
	}
	if p != nil {
		return nil, p.under("schema")
	}
	return s, nil
}

package prompt

import (
	"bytes"
	"encoding/json"
	"errors"

	"fluxworker/worker/schema"
)

// schemas compiles JSON Schemas and caches some, because the rows of a batch often share one schema.
type schemas struct {
	compiled map[string]*schema.Schema // by use and text
}

// keptSchemas is the maximum number of cached schemas.
const keptSchemas = 64

// format compiles the schema of a response format. The text is an object without white space.
func (s *schemas) format(text json.RawMessage) (*schema.Schema, *rowError) {
	return s.get("format", text, schema.Compile)
}

// parameters compiles the parameters of a tool; nil if no call is checked against them.
func (s *schemas) parameters(t *Tool) (*schema.Schema, *rowError) {
	if t.Strict {
		return s.get("strict", t.Parameters, schema.CompileArguments)
	}
	return s.get("loose", t.Parameters, func(text json.RawMessage) (*schema.Schema, error) {
		return nil, schema.CheckArguments(text)
	})
}

func (s *schemas) get(use string, text json.RawMessage, compile func(json.RawMessage) (*schema.Schema, error)) (*schema.Schema, *rowError) {
	key := use + string(text)
	if compiled, known := s.compiled[key]; known {
		return compiled, nil
	}
	compiled, err := compile(text)
	if err != nil {
		return nil, schemaError(err)
	}
	if len(s.compiled) >= keptSchemas || s.compiled == nil {
		s.compiled = make(map[string]*schema.Schema)
	}
	s.compiled[key] = compiled
	return compiled, nil
}

// compact returns a valid JSON value without white space.
func compact(value []byte) (json.RawMessage, *rowError) {
	var text bytes.Buffer
	if err := json.Compact(&text, value); err != nil {
		return nil, rowErrorf(CodeInvalidValue, "", "is not JSON: %s", err)
	}
	return text.Bytes(), nil
}

func schemaError(err error) *rowError {
	if _, ok := errors.AsType[*schema.UnsupportedError](err); ok {
		return rowErrorf(CodeUnsupported, "", "is not supported: %s", err)
	}
	if _, ok := errors.AsType[*schema.LimitError](err); ok {
		return rowErrorf(CodeInvalidValue, "", "is too large: it %s", err)
	}
	return rowErrorf(CodeInvalidValue, "", "is not a valid JSON Schema: %s", err)
}

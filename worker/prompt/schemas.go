package prompt

import (
	"bytes"
	"encoding/json"
	"errors"

	"fluxworker/worker/schema"
)

// schemas compiles JSON Schemas and caches some, because the rows of a batch often share one schema.
type schemas struct {
	compiled  map[string]*schema.Schema
	unchecked map[string]bool
}

// keptSchemas is the maximum number of cached schemas.
const keptSchemas = 64

// compile compiles a schema that answers are checked against. The text is an object without white space.
func (s *schemas) compile(text json.RawMessage) (*schema.Schema, *rowError) {
	if known := s.compiled[string(text)]; known != nil {
		return known, nil
	}
	compiled, err := schema.Compile(text)
	if err != nil {
		return nil, schemaError(err)
	}
	if len(s.compiled) >= keptSchemas || s.compiled == nil {
		s.compiled = make(map[string]*schema.Schema)
	}
	s.compiled[string(text)] = compiled
	return compiled, nil
}

// parameters compiles the parameters of a tool; nil if no argument is checked against them.
func (s *schemas) parameters(t *Tool) (*schema.Schema, *rowError) {
	if t.Strict {
		return s.compile(t.Parameters)
	}
	if s.unchecked[string(t.Parameters)] {
		return nil, nil
	}
	if err := schema.CompileUnchecked(t.Parameters); err != nil {
		return nil, schemaError(err)
	}
	if len(s.unchecked) >= keptSchemas || s.unchecked == nil {
		s.unchecked = make(map[string]bool)
	}
	s.unchecked[string(t.Parameters)] = true
	return nil, nil
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

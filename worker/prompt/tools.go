package prompt

import (
	"encoding/json"
	"fmt"

	"fluxworker/worker/schema"
)

// Tool is a function that the model may call. fluxworker does not execute it: the answer holds the call.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"` // a JSON Schema of the arguments, without white space; nil means none
	Strict      bool            `json:"strict,omitempty"`     // arguments that violate the schema make the answer invalid

	compiled *schema.Schema // of a strict tool
}

// ToolCall is a model's call of a tool.
type ToolCall struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // a JSON object
}

// CheckCalls returns an error if a call of a strict tool violates the tool's schema. The error contains nothing of the
// arguments.
func (r *Request) CheckCalls(calls []ToolCall) error {
	for _, call := range calls {
		tool := r.tool(call.Name)
		if tool == nil || tool.compiled == nil {
			continue // an unknown tool is for the caller to detect: the answer holds the model's words
		}
		arguments, err := schema.Parse(string(call.Arguments))
		if err == nil {
			err = tool.compiled.Check(arguments)
		}
		if err != nil {
			return fmt.Errorf("its call of %s: %w", word(call.Name), err)
		}
	}
	return nil
}

func (r *Request) tool(name string) *Tool {
	for i := range r.Tools {
		if r.Tools[i].Name == name {
			return &r.Tools[i]
		}
	}
	return nil
}

// decodeTools reads the tools. It returns none if tool_choice forbids calls.
func (d *decoder) decodeTools(o *object) ([]Tool, *rowError) {
	if p := checkParallel(o); p != nil {
		return nil, p
	}
	allowed, p := decodeToolChoice(o.get(fieldToolChoice))
	if p != nil {
		return nil, p.under(fieldToolChoice.String())
	}
	value := o.get(fieldTools)
	if value == nil {
		return nil, nil
	}
	tools, p := d.tools(value)
	if p != nil {
		return nil, p.under(fieldTools.String())
	}
	if !allowed {
		return nil, nil // a model that knows tools cannot be kept from calling them
	}
	return tools, nil
}

// checkParallel accepts only the default of parallel_tool_calls.
func checkParallel(o *object) *rowError {
	if o.get(fieldParallelToolCalls) == nil {
		return nil
	}
	if v, p := decodeBool(o, fieldParallelToolCalls); p != nil || v {
		return p
	}
	return rowErrorf(CodeUnsupported, fieldParallelToolCalls.String(), "is false; Ollama cannot limit a model to one call, remove the field")
}

func decodeToolChoice(value []byte) (allowed bool, _ *rowError) {
	const force = "; Ollama cannot make a model call a tool, so only auto and none are supported"
	switch {
	case value == nil:
		return true, nil
	case value[0] == '{':
		return false, rowErrorf(CodeUnsupported, "", "is an object"+force)
	case value[0] != '"':
		return false, wrongType(value, true, "auto or none")
	}
	switch name := unquote(value); name {
	case "auto":
		return true, nil
	case "none":
		return false, nil
	case "required":
		return false, rowErrorf(CodeUnsupported, "", `is "required"`+force)
	default:
		return false, rowErrorf(CodeInvalidValue, "", "is %s; it must be auto or none", word(name))
	}
}

func (d *decoder) tools(value []byte) ([]Tool, *rowError) {
	if value[0] != '[' {
		return nil, wrongType(value, false, "a list")
	}
	var tools []Tool
	w := walk(value)
	for {
		value, ok := w.element()
		if !ok {
			return tools, nil
		}
		tool, p := d.tool(value)
		for i := range tools {
			if p == nil && tools[i].Name == tool.Name {
				p = rowErrorf(CodeInvalidValue, "function.name", "is also the name of %s", index(i))
			}
		}
		if p != nil {
			return nil, p.under(index(len(tools)))
		}
		tools = append(tools, tool)
	}
}

func (d *decoder) tool(value []byte) (Tool, *rowError) {
	n, p := readFunction(value, "type", "function")
	if p != nil {
		return Tool{}, p
	}
	tool, p := d.function(n["function"])
	if p != nil {
		return Tool{}, p.under("function")
	}
	return tool, nil
}

// readFunction reads an object of type function, which tools and tool calls are.
func readFunction(value []byte, allowed ...string) (nested, *rowError) {
	n, p := readNested(value, allowed...)
	if p != nil {
		return nil, p
	}
	kind, p := n.text("type")
	switch {
	case p != nil:
		return nil, p
	case kind != "function":
		return nil, rowErrorf(CodeUnsupported, "type", "is %s; only function is supported", word(kind))
	case n["function"] == nil:
		return nil, rowErrorf(CodeMissing, "function", "is missing")
	}
	return n, nil
}

func (d *decoder) function(value []byte) (t Tool, p *rowError) {
	n, p := readNested(value, "name", "description", "parameters", "strict")
	if p != nil {
		return t, p
	}
	if t.Name, p = n.text("name"); p != nil {
		return t, p
	}
	if !isFunctionName(t.Name) {
		return t, rowErrorf(CodeInvalidValue, "name", "is %s; it must have letters, digits, _ and - only, at most 64", word(t.Name))
	}
	if t.Description, p = n.optionalText("description"); p != nil {
		return t, p
	}
	if t.Strict, p = n.flag("strict"); p != nil {
		return t, p
	}
	value = n["parameters"]
	if value == nil {
		return t, nil
	}
	if value[0] != '{' {
		return t, wrongType(value, false, "an object").under("parameters")
	}
	if t.Parameters, p = compact(value); p == nil {
		t.compiled, p = d.schemas.parameters(&t)
	}
	if p != nil {
		return t, p.under("parameters")
	}
	return t, nil
}

// isFunctionName reports whether OpenAI's API accepts s as a function name.
func isFunctionName(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

package prompt

import (
	"bytes"
	"encoding/json"
)

const roleTool = "tool"

// decodeTurn reads the fields that only some roles have: the tool calls and reasoning of an assistant, and the call id
// of a tool's result.
func decodeTurn(o *object, m *Message) (p *rowError) {
	own := messageFields
	switch m.Role {
	case roleAssistant:
		own |= 1<<fieldToolCalls | 1<<fieldReasoningContent | 1<<fieldReasoning
	case roleTool:
		own |= 1 << fieldToolCallID
	}
	if p = o.check(own, "is not supported in a message of "+m.Role+"; remove it or set it to null"); p != nil {
		return p
	}
	if m.Reasoning, p = decodeReasoning(o); p != nil {
		return p
	}
	if value := o.get(fieldToolCalls); value != nil {
		if m.ToolCalls, p = decodeToolCalls(value); p != nil {
			return p.under(fieldToolCalls.String())
		}
	}
	if m.Role != roleTool {
		return nil
	}
	switch value := o.get(fieldToolCallID); {
	case value == nil:
		return rowErrorf(CodeMissing, fieldToolCallID.String(), "is missing")
	case value[0] != '"':
		return wrongType(value, true, "a string").under(fieldToolCallID.String())
	default:
		m.ToolCallID = unquote(value)
		return nil
	}
}

// decodeReasoning reads an assistant's reasoning, which has two names in use.
func decodeReasoning(o *object) (string, *rowError) {
	f := fieldReasoningContent
	if o.present.has(fieldReasoning) {
		if o.present.has(f) {
			return "", rowErrorf(CodeInvalidValue, fieldReasoning.String(), "and %s are both given; remove one", f)
		}
		f = fieldReasoning
	}
	switch value := o.get(f); {
	case value == nil:
		return "", nil
	case value[0] != '"':
		return "", wrongType(value, false, "a string").under(f.String())
	default:
		return unquote(value), nil
	}
}

func decodeToolCalls(value []byte) ([]ToolCall, *rowError) {
	if value[0] != '[' {
		return nil, wrongType(value, false, "a list")
	}
	var calls []ToolCall
	w := walk(value)
	for {
		value, ok := w.element()
		if !ok {
			return calls, nil
		}
		call, p := decodeToolCall(value)
		if p != nil {
			return nil, p.under(index(len(calls)))
		}
		calls = append(calls, call)
	}
}

func decodeToolCall(value []byte) (c ToolCall, p *rowError) {
	n, p := readFunction(value, "id", "type", "function")
	if p != nil {
		return c, p
	}
	function := n["function"]
	if c.ID, p = n.text("id"); p != nil {
		return c, p
	}
	if n, p = readNested(function, "name", "arguments"); p != nil {
		return c, p.under("function")
	}
	if c.Name, p = n.text("name"); p != nil {
		return c, p.under("function")
	}
	arguments, p := n.text("arguments")
	if p != nil {
		return c, p.under("function")
	}
	if c.Arguments, p = decodeArguments(arguments); p != nil {
		return c, p.under("function.arguments")
	}
	return c, nil
}

// decodeArguments reads the arguments of a call. OpenAI's API has them as a string that holds a JSON object.
func decodeArguments(text string) (json.RawMessage, *rowError) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil || compact.Bytes()[0] != '{' {
		return nil, rowErrorf(CodeInvalidValue, "", "is a string of %d bytes; it must hold a JSON object", len(text))
	}
	return compact.Bytes(), nil
}

// nameTools sets the tool name in each tool's result: templates use the name, OpenAI's messages the id of the call.
func nameTools(messages []Message) *rowError {
	names := make(map[string]string)
	for i := range messages {
		for _, call := range messages[i].ToolCalls {
			names[call.ID] = call.Name
		}
		if messages[i].Role != roleTool {
			continue
		}
		name, known := names[messages[i].ToolCallID]
		if !known {
			return rowErrorf(CodeInvalidValue, fieldToolCallID.String(), "is %s, but no earlier message has it in tool_calls",
				word(messages[i].ToolCallID)).under(index(i))
		}
		messages[i].ToolName = name
	}
	return nil
}

package prompt

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Rows of /v1/responses with text, images and JSON are asked as chats of the same meaning: Ollama keeps no earlier responses, and
// has no tools of its own. The answer is written in the form of a response.

// responsesRow decodes the body of a row of /v1/responses.
func (d *decoder) responsesRow(body []byte) (Request, *rowError) {
	chat, p := chatBody(body)
	if p != nil {
		return Request{}, p
	}
	var o object
	o.read(chat)
	r, p := d.body(&o, Chat, chatFields, unsupportedField)
	if p != nil {
		for _, field := range []struct{ chat, responses string }{
			{"messages", "input"}, {"response_format.json_schema", "text.format"}, {"response_format", "text.format"},
			{"max_completion_tokens", "max_output_tokens"}, {"reasoning_effort", "reasoning.effort"},
		} {
			if rest, ok := strings.CutPrefix(p.path, field.chat); ok {
				p.path = field.responses + rest
				break
			}
		}
		return Request{}, p
	}
	r.Endpoint = Responses
	return r, nil
}

// chatBody returns the body of a chat with the meaning of a body of /v1/responses.
func chatBody(body []byte) (chat []byte, p *rowError) {
	fields := make(map[string]json.RawMessage)
	var instructions, input []byte
	seen := make(map[string]bool)
	EachMember(body, func(quoted, value []byte) {
		name := unquote(quoted)
		if p != nil || value[0] == 'n' {
			return
		}
		if seen[name] {
			p = rowErrorf(CodeInvalidJSON, fieldPath(name), "is given more than once")
			return
		}
		seen[name] = true
		switch name {
		case "input":
			input = value
		case "instructions":
			if instructions = value; value[0] != '"' {
				p = wrongType(value, false, "a string").under(name)
			}
		case "max_output_tokens":
			fields["max_completion_tokens"] = value
		case "text":
			p = addTextFormat(fields, value)
		case "reasoning":
			var n nested
			if n, p = readNested(value, "effort", "summary"); p == nil && n["effort"] != nil {
				fields["reasoning_effort"] = n["effort"]
			}
			if p != nil {
				p = p.under(name)
			}
		case "truncation":
			if string(value) != `"disabled"` {
				p = rowErrorf(CodeUnsupported, name, `must be "disabled": prompts are never cut`)
			}
		case "background", "stream":
			if value[0] != 'f' {
				p = rowErrorf(CodeUnsupported, name, "must be false: answers are written whole")
			}
		case "tools", "include":
			if !emptyList(value) {
				p = rowErrorf(CodeUnsupported, name, "is not supported in a row of %s; for functions use %s", Responses, Chat)
			}
		case "model", "temperature", "top_p", "metadata", "store", "user", "service_tier", "safety_identifier", "prompt_cache_key",
			"prompt_cache_retention", "parallel_tool_calls", "tool_choice":
			fields[name] = value
		default:
			p = rowErrorf(CodeUnsupported, fieldPath(name), "%s", unsupportedText(name, unsupportedField))
		}
	})
	if p == nil {
		fields["messages"], p = inputMessages(instructions, input)
	}
	if p != nil {
		return nil, p
	}
	chat, err := json.Marshal(fields)
	if err != nil {
		return nil, rowErrorf(CodeInvalidJSON, "", "%s", err)
	}
	return chat, nil
}

// addTextFormat adds the form of the answer, which a response has under text.format with its schema beside the type.
func addTextFormat(fields map[string]json.RawMessage, value []byte) *rowError {
	n, p := readNested(value, "format", "verbosity")
	if p != nil {
		return p.under("text")
	}
	if n["verbosity"] != nil {
		fields["verbosity"] = n["verbosity"]
	}
	format := n["format"]
	if format == nil {
		return nil
	}
	m, p := readNested(format, "type", "name", "description", "schema", "strict")
	if p != nil {
		return p.under("text.format")
	}
	if string(m["type"]) != `"json_schema"` {
		fields["response_format"] = format
		return nil
	}
	schema := make(map[string]json.RawMessage)
	for _, name := range []string{"name", "description", "schema", "strict"} {
		if m[name] != nil {
			schema[name] = m[name]
		}
	}
	whole, err := json.Marshal(map[string]any{"type": "json_schema", "json_schema": schema})
	if err != nil {
		return rowErrorf(CodeInvalidJSON, "text.format", "%s", err)
	}
	fields["response_format"] = whole
	return nil
}

// inputMessages returns the messages of the input: a text, or a list of messages.
func inputMessages(instructions, input []byte) ([]byte, *rowError) {
	var list [][]byte
	if instructions != nil {
		list = append(list, []byte(`{"role":"system","content":`+string(instructions)+`}`))
	}
	switch {
	case input[0] == '"':
		list = append(list, []byte(`{"role":"user","content":`+string(input)+`}`))
	case input[0] == '[':
		w := walk(input)
		for i := 0; ; i++ {
			item, ok := w.element()
			if !ok {
				break
			}
			message, p := inputMessage(item)
			if p != nil {
				return nil, p.under("input" + index(i))
			}
			list = append(list, message)
		}
	default:
		return nil, wrongType(input, false, "a string or a list of messages").under("input")
	}
	return append(append([]byte("["), bytes.Join(list, []byte(","))...), ']'), nil
}

// inputMessage returns a message of the input as a message of a chat.
func inputMessage(item []byte) ([]byte, *rowError) {
	n, p := readNested(item, "type", "role", "content", "id", "status")
	if p != nil {
		return nil, p
	}
	if kind := n["type"]; kind != nil && string(kind) != `"message"` {
		return nil, rowErrorf(CodeUnsupported, "type", "is %s; only messages are supported", quote(TextOf(kind)))
	}
	content := n["content"]
	if content == nil {
		return nil, rowErrorf(CodeMissing, "content", "is missing")
	}
	if content[0] == '[' {
		if content, p = inputParts(content); p != nil {
			return nil, p
		}
	}
	role := n["role"]
	if role == nil {
		return nil, rowErrorf(CodeMissing, "role", "is missing")
	}
	return []byte(`{"role":` + string(role) + `,"content":` + string(content) + `}`), nil
}

// inputParts returns the parts of a message as the parts of a chat.
func inputParts(content []byte) ([]byte, *rowError) {
	var parts [][]byte
	w := walk(content)
	for i := 0; ; i++ {
		part, ok := w.element()
		if !ok {
			break
		}
		n, p := readNested(part, "type", "text", "image_url", "detail", "annotations", "logprobs")
		if p != nil {
			return nil, p.under("content" + index(i))
		}
		switch kind := TextOf(n["type"]); kind {
		case "input_text", "output_text", "text":
			if n["text"] == nil {
				return nil, rowErrorf(CodeMissing, "text", "is missing").under("content" + index(i))
			}
			parts = append(parts, []byte(`{"type":"text","text":`+string(n["text"])+`}`))
		case "input_image":
			if n["image_url"] == nil {
				return nil, rowErrorf(CodeMissing, "image_url", "is missing").under("content" + index(i))
			}
			image := `{"url":` + string(n["image_url"])
			if n["detail"] != nil {
				image += `,"detail":` + string(n["detail"])
			}
			parts = append(parts, []byte(`{"type":"image_url","image_url":`+image+`}}`))
		default:
			return nil, rowErrorf(CodeUnsupported, "type", "is %s; only input_text and input_image are supported", word(kind)).under("content" + index(i))
		}
	}
	return append(append([]byte("["), bytes.Join(parts, []byte(","))...), ']'), nil
}

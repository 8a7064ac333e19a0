package prompt

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	fast "fluxworker/worker/json"
)

// ParseStructure returns the form of answers that a JSON Schema describes. The text is the schema, or the schema as OpenAI's
// requests have it, under "schema" or "json_schema". An error says what is wrong with the schema.
func ParseStructure(text []byte) (*Structure, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, bom))
	if !fast.Valid(text) {
		return nil, syntaxError(text).reject()
	}
	if text[0] != '{' {
		return nil, fmt.Errorf("it is %s; a JSON Schema is an object", describe(text, false))
	}
	for _, wrapper := range []string{"json_schema", "schema"} {
		EachMember(text, func(name, value []byte) {
			if unquote(name) == wrapper && value[0] == '{' {
				text = value
			}
		})
	}
	s := new(Structure)
	var d decoder
	var p *rowError
	if s.Schema, p = compact(text); p == nil {
		s.compiled, p = d.schemas.format(s.Schema)
	}
	if p != nil {
		return nil, errors.New("it " + p.text)
	}
	return s, nil
}

// ParseExamples returns the messages of a file with examples: a JSON list of messages, an object with messages, or one message on
// each line. They are turns of the user and of the assistant.
func ParseExamples(text []byte) ([]Message, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, bom))
	switch {
	case len(text) == 0:
		return nil, errors.New("the file is empty")
	case text[0] == '[':
	case text[0] == '{' && fast.Valid(text) && holds(text, "messages"):
		EachMember(text, func(name, value []byte) {
			if unquote(name) == "messages" {
				text = value
			}
		})
	default: // one message on each line
		var list [][]byte
		for line := range bytes.Lines(text) {
			if line = bytes.Trim(line, blanks+"\n"); len(line) > 0 {
				list = append(list, line)
			}
		}
		text = slices.Concat([]byte("["), bytes.Join(list, []byte(",")), []byte("]"))
	}
	if !fast.Valid(text) {
		return nil, syntaxError(text).reject()
	}
	d := decoder{limit: DefaultMaxRowBytes}
	messages, p := d.messages(text)
	if p != nil {
		return nil, p.under("messages").reject()
	}
	for i, m := range messages {
		if m.Role != roleUser && m.Role != roleAssistant {
			return nil, fmt.Errorf("messages%s is of %s; examples are turns of user and assistant, and a system message is given with --system", index(i), m.Role)
		}
	}
	return messages, nil
}

// complete adds to the request of a chat what the run's defaults give to all: the system message, the examples, and the form of
// the answers. said means that the row says itself what form its answer has.
func (d *decoder) complete(r *Request, said bool) {
	if len(d.defaults.Examples) > 0 {
		at := 0
		for at < len(r.Messages) && r.Messages[at].Role == roleSystem {
			at++
		}
		r.Messages = slices.Insert(r.Messages, at, slices.Clone(d.defaults.Examples)...)
	}
	d.addSystem(r)
	if form := d.defaults.Structure; form != nil && !said && len(r.Tools) == 0 {
		r.Structure = new(*form)
	}
}

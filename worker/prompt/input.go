package prompt

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Input is the row that Next returned last as one JSON object, for whoever shows a question beside its answer: a line of JSONL
// as it stands, for a line of text the batch row that asks the same, for a record its cells under metadata, for a file its
// path. It is nil where there is none: the line is no JSON object, was too long to be kept, or is no UTF-8.
//
// It is valid until the following Next. It is made when it is asked for, so that who does not ask does not pay.
func (r *Reader) Input() []byte {
	if r.line.tooLong || r.line.flaw != nil || !utf8.Valid(r.line.text) {
		return nil
	}
	return r.form.input(&r.line, r.lastID)
}

func (f *lines) input(l *line, id string) []byte {
	if f.format == Text {
		return textInput(id, string(l.text))
	}
	text := bytes.Trim(l.text, blanks)
	if len(text) == 0 || text[0] != '{' || !json.Valid(text) {
		return nil
	}
	return text
}

func (t *table) input(l *line, id string) []byte {
	cells := make(map[string]string, len(t.columns))
	for i, name := range t.columns {
		cells[name] = l.cells[i]
	}
	return inputObject(struct {
		CustomID string            `json:"custom_id"`
		Metadata map[string]string `json:"metadata"`
	}{id, cells})
}

func (r *files) input(_ *line, id string) []byte {
	return inputObject(struct {
		CustomID string `json:"custom_id"`
	}{id})
}

// textInput is a prompt as a row of OpenAI's Batch API.
func textInput(id, text string) []byte {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	type body struct {
		Messages []message `json:"messages"`
	}
	return inputObject(struct {
		CustomID string   `json:"custom_id"`
		Method   string   `json:"method"`
		URL      Endpoint `json:"url"`
		Body     body     `json:"body"`
	}{id, "POST", Chat, body{[]message{{roleUser, text}}}})
}

func inputObject(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("encode strings: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// EachMember calls do with each member of a JSON object: its name, in its quotes and as it is spelled, and its value. The object
// must be known to be valid, without blanks around it. Nothing is decoded, and names and values are parts of it.
func EachMember(object []byte, do func(name, value []byte)) {
	w := walk(object)
	for {
		name, value, ok := w.member()
		if !ok {
			return
		}
		do(name, value)
	}
}

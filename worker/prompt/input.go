package prompt

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Input returns the row that Next returned last as one JSON object, to show the question beside its answer. A line of
// JSONL is returned as it is, a line of text as the equivalent batch row, a record with its cells under metadata, a
// file with its path. Input returns nil if the line is not a JSON object, is not UTF-8, or was too long to keep.
//
// The result is valid until the next call of Next. It is computed on demand, so Next costs nothing more.
func (r *Reader) Input() []byte {
	if r.line.tooLong || r.line.rowErr != nil || !utf8.Valid(r.line.text) {
		return nil
	}
	return r.form.input(&r.line, r.lastID)
}

func (f *lines) input(l *line, id string) []byte {
	if f.format == Text {
		return textInput(id, string(l.text))
	}
	text := bytes.Trim(l.text, blanks)
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	if !json.Valid(text) {
		fixed, ok := withoutNaN(text, "")
		if !ok {
			return nil
		}
		return fixed
	}
	return text
}

func (t *table) input(l *line, id string) []byte {
	cells := make(map[string]string, len(t.columns))
	for i, name := range t.distinct {
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

// textInput returns a prompt as a row of OpenAI's Batch API.
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

// EachElement calls do for each element of a JSON list, which must be valid JSON without blanks around it. An element is a slice of
// list.
func EachElement(list []byte, do func(element []byte)) {
	w := walk(list)
	for {
		element, ok := w.element()
		if !ok {
			return
		}
		do(element)
	}
}

// EachMember calls do for each member of a JSON object with the name, quoted and with its escapes, and the value. The
// object must be valid JSON without blanks around it. Nothing is decoded; name and value are slices of object.
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

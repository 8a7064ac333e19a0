package prompt

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Input is the row that Next returned last as one JSON object, for whoever shows a question beside its answer: the line as
// it stands where that is JSON, else the batch row that asks the same as the line of text. It is nil where the line is no
// JSON object, or was too long to be kept.
//
// It is valid until the following Next. It is made when it is asked for, so that who does not ask does not pay.
func (r *Reader) Input() []byte {
	if !utf8.Valid(r.last.text) {
		return nil
	}
	if r.format == Text {
		return textInput(r.lastID, string(r.last.text))
	}
	line := bytes.Trim(r.last.text, blanks)
	if len(line) == 0 || line[0] != '{' || !json.Valid(line) {
		return nil
	}
	return line
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
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		CustomID string   `json:"custom_id"`
		Method   string   `json:"method"`
		URL      Endpoint `json:"url"`
		Body     body     `json:"body"`
	}{id, "POST", Chat, body{[]message{{roleUser, text}}}})
	if err != nil {
		panic("encode strings: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

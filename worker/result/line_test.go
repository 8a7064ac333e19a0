package result

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

// encode renders the line as the log does.
func (l Line) encode() ([]byte, error) { return l.appendTo(nil) }

// Any text of a model gives one line, and the standard library decodes the line to the same text.
func FuzzLine(f *testing.F) {
	for _, text := range []string{"", "plain", "a<b>&c", "two\nlines\r\x00\x1f\x7f", `"quoted" \ back`, "é😀\u2028\u2029\ufffd", "cut off \xf0\x9f\x98", "\xed\xa0\x80"} {
		f.Add(text, 200, 1.5, 7)
	}
	f.Fuzz(func(t *testing.T, text string, status int, number float64, retries int) {
		type body struct {
			Text   string            `json:"text"`
			Number float64           `json:"number"`
			Names  map[string]string `json:"names"`
			None   *struct{}         `json:"none"`
		}
		if number != number || number-number != 0 {
			t.Skip("no number that JSON has")
		}
		said := body{Text: text, Number: number, Names: map[string]string{text: text}}
		data, err := Line{ID: "id", CustomID: text, Response: &Response{StatusCode: status, Body: said, Retries: retries}}.encode()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(data, '\n') != len(data)-1 || !utf8.Valid(data) {
			t.Fatalf("not one line of UTF-8: %q", data)
		}
		var got, want body
		line := Line{Response: &Response{Body: &got}}
		if err := json.Unmarshal(data, &line); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		standard, err := json.Marshal(said)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(standard, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) || line.Response.StatusCode != status || line.Response.Retries != retries || line.CustomID != want.Text {
			t.Fatalf("%q became %q: %+v, want %+v", text, data, got, want)
		}
	})
}

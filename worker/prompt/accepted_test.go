package prompt

import (
	"strings"
	"testing"
)

// What other programs write, and what says nothing about the answer, is accepted and means the same.
func TestOtherPrograms(t *testing.T) {
	for name, rows := range map[string][2]string{
		"Azure's url": {
			`{"custom_id":"a","url":"/chat/completions","body":{"messages":[{"role":"user","content":"x"}]}}`,
			`{"custom_id":"a","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":"x"}]}}`},
		"a turn as an SDK writes it": {
			`{"custom_id":"a","body":{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"z","refusal":null,"annotations":[ ]},{"role":"user","content":"y"}]}}`,
			`{"custom_id":"a","body":{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"z"},{"role":"user","content":"y"}]}}`},
		"NaN of an empty cell": {
			`{"custom_id":"a","body":{"messages":[{"role":"user","content":"NaN"}]},"metadata":{"csv_row":{"note": NaN,"score":-Infinity,"text":"a \"NaN\" \\"}}}`,
			`{"custom_id":"a","body":{"messages":[{"role":"user","content":"NaN"}]},"metadata":{}}`},
	} {
		got, want := readAll(t, rows[0], jsonlOptions())[0], readAll(t, rows[1], jsonlOptions())[0]
		if got.Reject != nil || want.Reject != nil || got.Key != want.Key {
			t.Errorf("%s: %v; the keys are %s and %s", name, got.Reject, got.Key, want.Key)
		}
	}
	o := jsonlOptions()
	o.Layout = Layout{PromptColumn: "text", IDColumn: "id"}
	if rows := readAll(t, `{"id":"a","text":"NaN","note":NaN,"list":[1,-Infinity]}`, o); rows[0].Reject != nil || rows[0].Request.Messages[0].Content != "NaN" {
		t.Errorf("NaN in a column: %v", rows[0].Reject)
	}
	r := NewReader(strings.NewReader(`{"custom_id":"a","prompt":"x","metadata":{"note":NaN,"n":Infinity}}`), jsonlOptions())
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if got := string(r.Input()); got != `{"custom_id":"a","prompt":"x","metadata":{"note":null,"n":null}}` {
		t.Errorf("the input of a document is %s", got)
	}
}

package prompt

import (
	"strings"
	"testing"
)

func TestInput(t *testing.T) {
	for _, tt := range []struct {
		format Format
		lines  string
		want   []string // empty where there is no JSON object
	}{
		{JSONL, "# comment\n\n \t{\"custom_id\": \"a\", \"x\": [1, 2]} \r\n{\"a\":\n[1]\nnull\n\xff\n{\"prompt\":\"<b>\"}",
			[]string{`{"custom_id": "a", "x": [1, 2]}`, "", "", "", "", `{"prompt":"<b>"}`}},
		{Text, "what is <b>?\n\xff\n", []string{
			`{"custom_id":"row-1","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":"what is <b>?"}]}}`, ""}},
		{JSONL, `{"prompt":"` + strings.Repeat("x", 200) + `"}`, []string{""}}, // above the limit
	} {
		for _, bare := range []bool{false, true} {
			r := NewReader(strings.NewReader(tt.lines), Options{Format: tt.format, MaxRowBytes: 100, NamesOnly: bare})
			for i, want := range tt.want {
				if _, err := r.Next(); err != nil {
					t.Fatal(err)
				}
				if got := string(r.Input()); got != want {
					t.Errorf("row %d: %s, want %s", i, got, want)
				}
			}
		}
	}
}

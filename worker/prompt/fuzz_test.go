package prompt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
)

// countRows counts rows in the plainest way: split the whole input and look at each line.
func countRows(input []byte, format Format) int {
	rows := 0
	for line := range bytes.SplitSeq(bytes.TrimPrefix(input, []byte("\ufeff")), []byte("\n")) {
		line = bytes.Trim(line, " \t\r\v\f")
		if len(line) > 0 && (format == Text || line[0] != '#') {
			rows++
		}
	}
	return rows
}

// Whatever the input, no row is lost or invented, and each is either a request or a rejection under its own name.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"", "\n\r\n", "\ufeff", "# c\n{\"prompt\":\"a\"}", "a\nb", "{\"body\":{\"prompt\":[\"\\ud800\"]}}\r\n{", "\xff\n\x00",
		`{"custom_id":"row-2","prompt":"x"}` + "\n" + `{"prompt":"x"}`, strings.Repeat("x", 300) + "\r\n" + strings.Repeat(" ", 300) + "#",
		chatRow(1) + chatRow(1) + chatRow(2), `{"messages":[{"role":"user","content":[{"type":"text","text":"\\\""}]}],"stop":["a"],"seed":1.0}`,
	} {
		for format := range 3 {
			f.Add([]byte(seed), format, 200)
		}
	}
	f.Fuzz(func(t *testing.T, input []byte, format, limit int) {
		o := Options{Format: Format(format), MaxRowBytes: limit, Defaults: testDefaults()}
		if o.Format != JSONL && o.Format != Text {
			o.Format = Auto
		}
		r := NewReader(bytes.NewReader(input), o)
		names := map[[8]byte]bool{}
		rows, line := 0, int64(0)
		for {
			row, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if row.Index != int64(rows) || row.Line <= line || row.CustomID == "" {
				t.Fatalf("no progress: %+v behind line %d", row, line)
			}
			rows, line = rows+1, row.Line
			if names[row.Key.Name()] {
				t.Fatalf("line %d has the name of another", line)
			}
			names[row.Key.Name()] = true
			if (row.Reject == nil) != (len(row.Request.Messages) > 0) {
				t.Fatalf("line %d: request %+v, reject %v", line, row.Request, row.Reject)
			}
			if row.Reject != nil && (row.Reject.Code == "" || row.Reject.Message == "") {
				t.Fatalf("line %d: %+v", line, row.Reject)
			}
		}
		if want := countRows(input, r.format); rows != want {
			t.Fatalf("%d rows as %v, want %d", rows, r.format, want)
		}
	})
}

// The walker finds in valid JSON what encoding/json finds.
func FuzzWalker(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, ` { "a" : [ 1 , "]" , {"b":"\\\""} ] , "c":-1e5,"d":"","e":{"f":[[]]},"g":null}`, `["\"","\\","\\\""]`, chatRow(1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if !json.Valid(input) {
			return
		}
		value := bytes.Trim(input, blanks+"\n")
		switch value[0] {
		case '{':
			var want map[string]json.RawMessage
			if err := json.Unmarshal(value, &want); err != nil {
				t.Fatal(err)
			}
			got := map[string]json.RawMessage{}
			w := walk(value)
			for {
				name, v, ok := w.member()
				if !ok {
					break
				}
				got[unquote(name)] = v
			}
			if a, b := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); a != b {
				t.Fatalf("got %s, want %s", a, b)
			}
		case '[':
			var want []json.RawMessage
			if err := json.Unmarshal(value, &want); err != nil {
				t.Fatal(err)
			}
			w := walk(value)
			for i := 0; ; i++ {
				v, ok := w.element()
				if !ok {
					if i != len(want) {
						t.Fatalf("%d elements, want %d", i, len(want))
					}
					break
				}
				if i >= len(want) || string(v) != string(want[i]) {
					t.Fatalf("element %d is %s", i, v)
				}
			}
		case '"':
			var want string
			if err := json.Unmarshal(value, &want); err != nil {
				t.Fatal(err)
			}
			if got := unquote(value); got != want && bytes.IndexByte(value, '\\') >= 0 {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	})
}

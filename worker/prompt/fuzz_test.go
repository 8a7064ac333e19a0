package prompt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
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

// For any input, no row is lost or invented, each row is a request or a rejection under its own name, a second reading
// gives the same rows, and no rejection shows a prompt.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"", "\n\r\n", "\ufeff", "# c\n{\"prompt\":\"a\"}", "a\nb", "{\"body\":{\"prompt\":[\"\\ud800\"]}}\r\n{", "\xff\n\x00",
		`{"custom_id":"row-2","prompt":"x"}` + "\n" + `{"prompt":"x"}`, strings.Repeat("x", 300) + "\r\n" + strings.Repeat(" ", 300) + "#",
		chatRow(1) + chatRow(1) + chatRow(2), `{"messages":[{"role":"user","content":[{"type":"text","text":"\\\""}]}],"stop":["a"],"seed":1.0}`,
		imageRow(pngURL(png)), imageRow("a.png"), imageRow("file:///sub/../b.png"), imageRow("https://" + secretMark),
		`{"prompt":5,"system":"` + secretMark + `","stop":["` + secretMark + `",""],"messages":[{"role":"x","content":[{"type":"text","text":"` + secretMark + `"}]}]}`,
	} {
		for format := range 3 {
			f.Add([]byte(seed), format, 200, format == 1)
		}
	}
	folder, err := OpenImageFolder(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { folder.root.Close() })
	if err := folder.root.WriteFile("a.png", []byte(png), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, input []byte, asked, limit int, files bool) {
		o := Options{Format: Format(asked), MaxRowBytes: limit, Defaults: testDefaults()}
		if o.Format != JSONL && o.Format != Text {
			o.Format = Auto
		}
		if files {
			o.Defaults.ImageFiles = folder
		}
		r := NewReader(bytes.NewReader(input), o)
		again := NewReader(iotest.OneByteReader(bytes.NewReader(input)), o)
		names := map[[8]byte]bool{}
		rows, line := 0, int64(0)
		for {
			row, err := r.Next()
			same, sameErr := again.Next()
			if err != sameErr || !reflect.DeepEqual(row, same) {
				t.Fatalf("read %+v, %v and then %+v, %v", row, err, same, sameErr)
			}
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
			checkRow(t, row, r.limit)
			if row.Reject != nil && !files && strings.Contains(row.Reject.Message, secretMark) && isSecret(input, row.Line, r.form.(*lines).format) {
				t.Fatalf("line %d: the message tells the prompt: %s", line, row.Reject.Message)
			}
		}
		format := r.form.(*lines).format
		if want := countRows(input, format); rows != want {
			t.Fatalf("%d rows as %v, want %d", rows, format, want)
		}
	})
}

// checkRow fails the test unless the row is complete: a valid request, or a Reject.
func checkRow(t *testing.T, row Row, limit int) {
	if e := row.Request.Embedding; row.Reject == nil && row.Request.Endpoint == Embeddings {
		if e == nil || len(e.Input) == 0 || slices.Contains(e.Input, "") {
			t.Fatalf("line %d: nothing to embed: %+v", row.Line, e)
		}
		return
	}
	if (row.Reject == nil) != (len(row.Request.Messages) > 0) {
		t.Fatalf("line %d: request %+v, reject %v", row.Line, row.Request, row.Reject)
	}
	if row.Reject != nil && (row.Reject.Code == "" || row.Reject.Message == "") {
		t.Fatalf("line %d: %+v", row.Line, row.Reject)
	}
	bytes, said := 0, false
	for _, m := range row.Request.Messages {
		said = said || m.Content != "" || len(m.Images)+len(m.ToolCalls) > 0
		for _, image := range m.Images {
			bytes += len(image)
			if p := checkImage(image); p != nil || m.Role != roleUser {
				t.Fatalf("line %d: a message of %s has the image %q: %v", row.Line, m.Role, image, p)
			}
		}
	}
	if row.Reject == nil && (!said || bytes > 2*limit) {
		t.Fatalf("line %d: something said %t, images of %d bytes under a limit of %d", row.Line, said, bytes, limit)
	}
}

// secretMark stands in prompts, where no message may show it.
const secretMark = "pr1vate"

// isSecret reports whether the mark occurs in a line of the input only inside prompts. It may miss a mark in a line
// with escapes.
func isSecret(input []byte, number int64, format Format) bool {
	line := bytes.Split(bytes.TrimPrefix(input, []byte("\ufeff")), []byte("\n"))[number-1]
	if bytes.IndexByte(line, '\\') >= 0 {
		return false
	}
	var row any
	if format == Text || json.Unmarshal(line, &row) != nil {
		return true
	}
	return countSecrets(row, "", "") == bytes.Count(line, []byte(secretMark))
}

// countSecrets counts the mark in the strings below fields that hold prompts.
func countSecrets(v any, field, parent string) (n int) {
	switch v := v.(type) {
	case string:
		switch field {
		case "prompt", "content", "text", "system", "stop", "image_url":
			return strings.Count(v, secretMark)
		case "url":
			if parent == "image_url" {
				return strings.Count(v, secretMark)
			}
		}
	case []any:
		for _, element := range v {
			n += countSecrets(element, field, parent)
		}
	case map[string]any:
		for name, value := range v {
			n += countSecrets(value, name, field)
		}
	}
	return n
}

// The walker finds in valid JSON what encoding/json finds.
func FuzzWalker(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, ` { "a" : [ 1 , "]" , {"b":"\\\""} ] , "c":-1e5,"d":"","e":{"f":[[]]},"g":null}`, `["\"","\\","\\\""]`, chatRow(1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if !json.Valid(input) || !utf8.Valid(input) { // which the decoder looks at first
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

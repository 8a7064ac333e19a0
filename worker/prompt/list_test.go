package prompt

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A JSON list is read like lines, whatever its form: its elements are rows with the same keys as lines.
func TestJSONLists(t *testing.T) {
	lines := `{"custom_id":"a","prompt":"x, \"y\" ] {"}` + "\n" + `{"prompt":"b"}` + "\n" + `{"prompt":"b"}` + "\n"
	want := readAll(t, lines, jsonlOptions())
	for name, input := range map[string]string{
		"compact":  `[{"custom_id":"a","prompt":"x, \"y\" ] {"},{"prompt":"b"},{"prompt":"b"}]`,
		"lines":    "[\n" + strings.ReplaceAll(strings.TrimSpace(lines), "\n", ",\n") + "\n]\n",
		"indented": "\ufeff[\r\n  {\r\n    \"custom_id\": \"a\",\r\n    \"prompt\": \"x, \\\"y\\\" ] {\"\r\n  } ,\r\n{\"prompt\" : \"b\"}, { \"prompt\":\"b\" }\r\n]  \r\n",
	} {
		for _, f := range []Format{JSONL, Auto} {
			for _, r := range []io.Reader{strings.NewReader(input), iotest.OneByteReader(strings.NewReader(input))} {
				reader := NewReader(r, Options{Format: f, Defaults: testDefaults()})
				for i := range want {
					row, err := reader.Next()
					if err != nil || row.Key != want[i].Key || row.CustomID != want[i].CustomID || row.Line != int64(i+1) || row.Reject != nil {
						t.Fatalf("%s: row %d is %+v, %v; want %+v", name, i+1, row, err, want[i])
					}
				}
				if _, err := reader.Next(); err != io.EOF {
					t.Errorf("%s: %v at the end", name, err)
				}
			}
		}
	}
	if rows := readAll(t, " [ ] \n", jsonlOptions()); len(rows) != 0 {
		t.Errorf("an empty list has %d rows", len(rows))
	}
}

// A bad element is the fault of its row alone; a broken list ends the reading behind the rows that are whole.
func TestBrokenLists(t *testing.T) {
	for _, tt := range []struct {
		input string
		rows  string // "!" is a rejected row
		err   string
	}{
		{`[{"prompt":"a"},"b",[1],{"prompt":},{"prompt":"c"}]`, "a!!!c", ""},
		{`[{"prompt":"a"},{"prompt":"` + strings.Repeat("x", 200) + `"},{"prompt":"c"},5]`, "a!c!", ""},
		{`[{"prompt":"a"},{"prompt":"b"}`, "ab", "read input, row 2: the JSON list has no ] at its end: is the file complete?"},
		{`[{"prompt":"a"},{"prompt":`, "a", "no ] at its end"},
		{`[{"prompt":"a"} {"prompt":"b"}]`, "a", "not separated by commas"},
		{`[{"prompt":"a"},]`, "a", "a comma behind its last element"},
		{`[{"prompt":"a"}]` + "\n" + `[{"prompt":"b"}]`, "a", "there is more behind the ]"},
	} {
		o := jsonlOptions()
		o.MaxRowBytes = 100
		r := NewReader(strings.NewReader(tt.input), o)
		got := ""
		for {
			row, err := r.Next()
			if err != nil {
				if tt.err == "" && err != io.EOF || tt.err != "" && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("%s: %v, want %s", tt.input, err, tt.err)
				}
				break
			}
			if row.Reject != nil {
				got += "!"
				continue
			}
			got += row.Request.Messages[0].Content
		}
		if got != tt.rows {
			t.Errorf("%s: rows %s, want %s", tt.input, got, tt.rows)
		}
	}
}

// An element as large as many buffers is not kept if it is above the limit.
func TestLargeElement(t *testing.T) {
	o := jsonlOptions()
	o.MaxRowBytes = 1 << 20
	large := fmt.Sprintf(`{"prompt":"%s"}`, strings.Repeat("x", 5<<20))
	rows := readAll(t, "["+large+`,{"prompt":"b"}]`, o)
	if len(rows) != 2 || rows[0].Reject == nil || rows[0].Reject.Code != CodeTooLarge || rows[1].Reject != nil {
		t.Errorf("rows %+v", rows)
	}
	alone := readAll(t, large+"\n", o)
	if rows[0].Key != alone[0].Key {
		t.Error("the key depends on the form of the file")
	}
}

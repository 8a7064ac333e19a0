package prompt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// testDefaults is a run's configuration in full.
func testDefaults() Defaults {
	return Defaults{
		Model:      "llama3.2:3b",
		ModelNames: []string{"llama3.2", "meta-llama/Llama-3.2-3B-Instruct"},
		Sampling:   Sampling{MaxTokens: 512, Temperature: 0.7, TopP: 0.9, TopK: 40, Stop: []string{"END"}, Seed: new(int64(7))},
	}
}

// readAll reads every row, and fails the test where the reading does not end well.
func readAll(t testing.TB, input string, o Options) []Row {
	t.Helper()
	r := NewReader(strings.NewReader(input), o)
	var rows []Row
	for {
		row, err := r.Next()
		if err == io.EOF {
			if _, again := r.Next(); again != io.EOF {
				t.Errorf("Next after the end: %v, want io.EOF", again)
			}
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
}

func jsonlOptions() Options { return Options{Format: JSONL, Defaults: testDefaults()} }
func textOptions() Options  { return Options{Format: Text, Defaults: testDefaults()} }

func TestReaderLines(t *testing.T) {
	const a, b = `{"prompt":"a"}`, `{"prompt":"b"}`
	tests := []struct {
		name, input string
		format      Format
		want        []string // "line prompt"
	}{
		{"empty file", "", JSONL, nil},
		{"empty file sniffed", "", Auto, nil},
		{"empty text", "", Text, nil},
		{"only a mark", "\ufeff", Auto, nil},
		{"only blanks", "\n \r\n\t\n", Auto, nil},
		{"LF", a + "\n" + b + "\n", JSONL, []string{"1 a", "2 b"}},
		{"CRLF", a + "\r\n" + b + "\r\n", JSONL, []string{"1 a", "2 b"}},
		{"last line without newline", a + "\n" + b, JSONL, []string{"1 a", "2 b"}},
		{"last line with half a line end", a + "\n" + b + "\r", JSONL, []string{"1 a", "2 b"}},
		{"BOM", "\ufeff" + a + "\n" + b + "\n", JSONL, []string{"1 a", "2 b"}},
		{"BOM in text", "\ufeffa\n", Text, []string{"1 a"}},
		{"blank lines and comments", "# c\n\n" + a + "\n  # c\n \t\n" + b, JSONL, []string{"3 a", "6 b"}},
		{"indented", "  " + a + " \n\t" + b + "\t\r\n", JSONL, []string{"1 a", "2 b"}},
		{"text", "a\r\n\n# b\n {c}\n", Text, []string{"1 a", "3 # b", "4  {c}"}},
		{"text keeps blanks", " a \n", Text, []string{"1  a "}},
		{"text keeps other carriage returns", "a\rb\r\r\n", Text, []string{"1 a\rb\r"}},
		{"a NUL is not blank", "\x00\n", Text, []string{"1 \x00"}},
		{"sniffed JSONL", a + "\n" + b + "\n", Auto, []string{"1 a", "2 b"}},
		{"sniffed JSONL behind comments", "\n# c\n \n" + a, Auto, []string{"4 a"}},
		{"sniffed JSONL behind a mark", "\ufeff" + a, Auto, []string{"1 a"}},
		{"sniffed text", "a\n" + a + "\n", Auto, []string{"1 a", "2 " + a}},
		{"sniffed text behind headings", "# h\n\na\n", Auto, []string{"1 # h", "3 a"}},
		{"nothing but headings is text", "# h\n# i", Auto, []string{"1 # h", "2 # i"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, reader := range []struct {
				name string
				wrap func(io.Reader) io.Reader
			}{{"whole", func(r io.Reader) io.Reader { return r }}, {"byte by byte", iotest.OneByteReader}, {"early EOF", iotest.DataErrReader}} {
				r := NewReader(reader.wrap(strings.NewReader(test.input)), Options{Format: test.format, Defaults: testDefaults()})
				var got []string
				for {
					row, err := r.Next()
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					if row.Reject != nil {
						t.Fatalf("row %d rejected: %v", row.Index, row.Reject)
					}
					if row.Index != int64(len(got)) {
						t.Errorf("index %d, want %d", row.Index, len(got))
					}
					if want := fmt.Sprintf("row-%d", row.Line); row.CustomID != want {
						t.Errorf("custom_id %q, want %q", row.CustomID, want)
					}
					got = append(got, fmt.Sprintf("%d %s", row.Line, row.Request.Messages[0].Content))
				}
				if strings.Join(got, "|") != strings.Join(test.want, "|") {
					t.Errorf("%s: got %q, want %q", reader.name, got, test.want)
				}
			}
		})
	}
}

// A row at the limit passes and one byte more does not, whichever side of the read buffer the limit is on.
func TestReaderLimit(t *testing.T) {
	for _, limit := range []int{1, 2, 100, 65535, 65536, 65537, 200_000} {
		for _, over := range []int{0, 1, 2, 3, 70_000} {
			for _, end := range []string{"\n", "\r\n", ""} {
				t.Run(fmt.Sprintf("%d+%d%q", limit, over, end), func(t *testing.T) {
					long := strings.Repeat("x", limit+over)
					o := textOptions()
					o.MaxRowBytes = limit
					input := long + end
					if end != "" {
						input += "y" + end
					}
					rows := readAll(t, input, o)
					if end != "" && (len(rows) != 2 || rows[1].Line != 2 || rows[1].Reject != nil) {
						t.Fatalf("the row behind is gone: %d rows", len(rows))
					}
					if over == 0 {
						if rows[0].Reject != nil || rows[0].Request.Messages[0].Content != long {
							t.Errorf("a row at the limit was not taken: %v", rows[0].Reject)
						}
						return
					}
					rej := rows[0].Reject
					if rej == nil || rej.Code != CodeTooLarge {
						t.Fatalf("got %v, want %s", rej, CodeTooLarge)
					}
					for _, want := range []string{fmt.Sprint(limit + over), fmt.Sprint(limit), "--max-row-bytes"} {
						if !strings.Contains(rej.Message, want) {
							t.Errorf("message %q does not name %s", rej.Message, want)
						}
					}
					if len(rows[0].Request.Messages) != 0 {
						t.Error("a rejected row has a request")
					}
				})
			}
		}
	}
}

// The key of a row over the limit does not depend on how it was read: kept, skipped, or with other line ends.
func TestReaderLimitKey(t *testing.T) {
	body := strings.Repeat("x\r", 100_000) + "y"
	key := func(limit int, end string) Key {
		o := textOptions()
		o.MaxRowBytes = limit
		rows := readAll(t, body+end, o)
		if rows[0].Reject == nil {
			t.Fatal("not rejected")
		}
		return rows[0].Key
	}
	want := key(10, "\n")
	for _, limit := range []int{10, 70_000, 150_000, 200_000} {
		for _, end := range []string{"\n", "\r\n", "", "\r"} {
			if got := key(limit, end); got != want {
				t.Errorf("limit %d, end %q: %v, want %v", limit, end, got, want)
			}
		}
	}
}

func TestReaderSkipsLongNonRows(t *testing.T) {
	o := jsonlOptions()
	o.MaxRowBytes = 100
	for name, line := range map[string]string{
		"blank": strings.Repeat(" ", 300_000), "comment": strings.Repeat(" ", 100_000) + "#" + strings.Repeat("x", 100_000),
	} {
		rows := readAll(t, line+"\n"+`{"prompt":"a"}`, o)
		if len(rows) != 1 || rows[0].Line != 2 || rows[0].Reject != nil {
			t.Errorf("%s: got %d rows, want the one of line 2", name, len(rows))
		}
	}
}

// Skipping a long row must not hold it: reading one of 256 MiB may not cost more than its limit.
func TestReaderSkipsInConstantMemory(t *testing.T) {
	const size = 256 << 20
	input := io.MultiReader(io.LimitReader(endless('x'), size), strings.NewReader("\nb\n"))
	o := textOptions()
	o.MaxRowBytes = 1 << 20
	r := NewReader(input, o)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range 2 {
		row, err := r.Next()
		if err != nil || (row.Reject == nil) != (i == 1) {
			t.Fatalf("row %d: %v, %v", i, row.Reject, err)
		}
	}
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 16<<20 {
		t.Errorf("%d bytes allocated", bytes)
	}
}

// endless is an input of the same byte for ever.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestReaderErrors(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, input := range []string{"", "a", "a\nb\nc", strings.Repeat("x", 200_000)} {
		o := textOptions()
		o.Name, o.MaxRowBytes = "in.txt", 1000
		r := NewReader(io.MultiReader(strings.NewReader(input), iotest.ErrReader(broken)), o)
		lines := 0
		var err error
		for err == nil {
			if _, err = r.Next(); err == nil {
				lines++
			}
		}
		if lines != strings.Count(input, "\n") {
			t.Errorf("%d rows of %q: an unfinished line must not pass for a row", lines, input[:min(len(input), 10)])
		}
		if want := fmt.Sprintf("read in.txt, line %d: ", lines+1); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s%v", err, want, broken)
		}
		if _, again := r.Next(); again != err {
			t.Errorf("second error %v, want %v", again, err)
		}
	}
}

// The detection must not wait for more than the first line: otherwise a user at a terminal sees nothing.
func TestReaderDoesNotWait(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	r := NewReader(in, Options{Defaults: testDefaults()})
	for i := range 3 {
		if _, err := fmt.Fprintf(out, `{"prompt":"%d"}`+"\n", i); err != nil {
			t.Fatal(err)
		}
		row, err := r.Next()
		if err != nil || row.Request.Messages[0].Content != fmt.Sprint(i) {
			t.Fatalf("row %d: %v, %v", i, row, err)
		}
	}
}

// Rows share nothing with the reader or with each other.
func TestRowsAreIndependent(t *testing.T) {
	o := jsonlOptions()
	o.Defaults.System = "be brief"
	line := `{"prompt":"a"}` + "\n"
	r := NewReader(strings.NewReader(line+line), o)
	first, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	first.Request.Messages[0].Content = "spoilt"
	first.Request.Messages[1].Content = "spoilt"
	first.Request.Sampling.Stop[0] = "spoilt"
	*first.Request.Sampling.Seed = 99
	second, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	q := second.Request
	if q.Messages[0].Content != "be brief" || q.Messages[1].Content != "a" || q.Sampling.Stop[0] != "END" || *q.Sampling.Seed != 7 {
		t.Errorf("got %+v", q)
	}
	if o.Defaults.Sampling.Stop[0] != "END" || *o.Defaults.Sampling.Seed != 7 {
		t.Error("the defaults were changed")
	}
}

var chatText = strings.Repeat(`A sentence of the \"document\" that is to be summed up.\n`, 13)

// chatRow is a chat row of about 1 KB.
func chatRow(i int) string {
	return fmt.Sprintf(`{"custom_id":"row-a-%d","method":"POST","url":"/v1/chat/completions","body":{"model":"llama3.2:3b",`+
		`"messages":[{"role":"system","content":"You sum up documents."},{"role":"user","content":"%s"}],`+
		`"temperature":0.2,"max_tokens":256,"seed":42}}`+"\n", i, chatText)
}

func BenchmarkNext(b *testing.B) {
	in, out := io.Pipe()
	defer in.Close()
	go func() {
		var chunk []byte
		for i := 0; ; i++ {
			if chunk = append(chunk, chatRow(i)...); len(chunk) < 60<<10 {
				continue
			}
			if _, err := out.Write(chunk); err != nil {
				return
			}
			chunk = chunk[:0]
		}
	}()
	r := NewReader(in, jsonlOptions())
	b.SetBytes(int64(len(chatRow(0))))
	b.ReportAllocs()
	for b.Loop() {
		row, err := r.Next()
		if err != nil || row.Reject != nil {
			b.Fatal(err, row.Reject)
		}
	}
}

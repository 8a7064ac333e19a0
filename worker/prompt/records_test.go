package prompt

import (
	"encoding/csv"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// tableOf makes the reader of a table that is in memory.
func tableOf(t testing.TB, in io.Reader, o Options) (*Reader, *table) {
	t.Helper()
	if o.Format == Auto {
		o.Format = CSV
	}
	o.Name = "in.csv"
	o.complete()
	if o.Defaults.Model == "" {
		o.Defaults = testDefaults()
	}
	h := newHasher()
	f, err := newTable(in, o, h, &decoder{defaults: o.Defaults, limit: o.MaxRowBytes})
	if err != nil {
		t.Fatal(err)
	}
	return newReader(f, o, h), f
}

// shown returns a row in short form: its line, and its prompt or its error.
func shown(row Row) string {
	if row.Reject != nil {
		return fmt.Sprintf("%d! %s", row.Line, row.Reject.Message)
	}
	return fmt.Sprintf("%d %s", row.Line, row.Request.Messages[0].Content)
}

func TestTableRows(t *testing.T) {
	const (
		quotes = ": a field with a quote in it must be quoted, and the quote doubled"
		own    = "; the following lines are read as separate rows"
	)
	tests := []struct {
		name, input string
		want        []string
	}{
		{"plain", "prompt,n\na,1\nb,2\n", []string{"2 a", "3 b"}},
		{"no line end at the end", "prompt,n\na,1\nb,2", []string{"2 a", "3 b"}},
		{"only a header", "prompt,n\n", nil},
		{"only a header, cut off", "prompt", nil},
		{"mark and CRLF", "\ufeffprompt,n\r\na,1\r\n\"b\",2\r\n", []string{"2 a", "3 b"}},
		{"a mark before a quote", "\ufeff\"prompt\",n\na,1\n", []string{"2 a"}},
		{"half a line end", "prompt\na\r", []string{"2 a"}},
		{"empty lines", "\n\nprompt\n\na\n\r\n\nb\n", []string{"5 a", "8 b"}},
		{"a blank line is a cell of blanks", "prompt\n \n", []string{"2  "}},
		{"quoted", "n,prompt\n1,\"a, \"\"b\"\"\"\n\"\"\"\",\"\"\"c\"\"\"\n", []string{`2 a, "b"`, `3 "c"`}},
		{"quoted line ends", "n,prompt\n1,\"a\n\nb\"\n2,\"c\r\nd\"\r\n3,e\n", []string{"2 a\n\nb", "5 c\nd", "7 e"}},
		{"a quoted header", "\"n\nm\",\"prompt\"\n1,a\n", []string{"3 a"}},
		{"no cell is quoted by a later quote", "prompt,n\n 'a',1\n", []string{"2  'a'"}},
		{"an empty prompt", "prompt,n\n,1\n\"\",1\nb,2\n", []string{"2! the row at in.csv:2 makes an empty prompt", "3! the row at in.csv:3 makes an empty prompt", "4 b"}},
		{"records without content", "prompt,n\n,\n\"\",\nb,2\n,\n,,,\n", []string{"4 b"}},
		{"one empty cell", "prompt\n\"\"\nb\n", []string{"3 b"}},
		{"semicolons", "n;prompt\n1;a, or b\n\"2;3\";\"c;d\"\n", []string{"2 a, or b", "3 c;d"}},
		{"quoted semicolons", "\"n\";\"prompt\"\n\"1\";\"a\"\n", []string{"2 a"}},
		{"tabs", "prompt\tn\na, b\t1\n", []string{"2 a, b"}},
		{"bars", "prompt|n\na|1\n", []string{"2 a"}},
		{"too few and too many", "prompt,n\na\nb,1,2\nc,3\n", []string{
			"2! the row at in.csv:2 has 1 fields, but the header has 2", "3! the row at in.csv:3 has 3 fields, but the header has 2", "4 c"}},
		{"too few over lines", "prompt,n\n\"a\nb\"\nc,3\n", []string{"2! the row at in.csv:2 has 1 fields, but the header has 2 (it extends to line 3)", "4 c"}},
		{"a quote in a field", "prompt,n\na\"b,1\nc,3\n", []string{"2! the row at in.csv:2 has a bad quote at byte 2" + quotes, "3 c"}},
		{"a quote behind a quoted field", "prompt,n\n\"a\"b,1\nc,3\n", []string{"2! the row at in.csv:2 has a bad quote at byte 3" + quotes, "3 c"}},
		{"a quote in the last field", "n,prompt\n1,5\" disk\n2,c\n", []string{"2! the row at in.csv:2 has a bad quote at byte 4" + quotes, "3 c"}},
		{"an open quote", "n,prompt\n1,\"a\n2,b\n\n3,c\n", []string{"2! the row at in.csv:2 opens a quote that is never closed" + own, "3 b", "5 c"}},
		{"an open quote on the last line", "n,prompt\n1,a\n2,\"b", []string{"2 a", "3! the row at in.csv:3 opens a quote that is never closed" + own}},
		{"an open quote before a quoted field", "n,prompt\n1,\"a\n2,b\n3,\"c\"\n4,d\n", []string{
			"2! the row at in.csv:2 opens a quote, but the next quote is in the middle of a field, at byte 3 of line 4" + own, "3 b", "4 c", "5 d"}},
		{"open quotes", "n,prompt\n1,\"a\n2,\"b\n3,c\n", []string{
			"2! the row at in.csv:2 opens a quote, but the next quote is in the middle of a field, at byte 3 of line 3" + own,
			"3! the row at in.csv:3 opens a quote that is never closed" + own, "4 c"}},
		{"an open quote and doubled ones", "n,prompt\n1,\"a\n2,\"\"\n3,\"\"\"\"\n4,c\n", []string{
			"2! the row at in.csv:2 opens a quote that is never closed" + own, "3! the row at in.csv:3 makes an empty prompt", `4 "`, "5 c"}},
		{"no UTF-8", "n,prompt\n1,a\xffb\n2,c\n", []string{"2! the row at in.csv:2 is not UTF-8: byte 4, 0xff, is invalid", "3 c"}},
		{"NUL is a character", "prompt\na\x00\n", []string{"2 a\x00"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
				r, _ := tableOf(t, wrap(strings.NewReader(test.input)), Options{})
				var got []string
				for i := int64(0); ; i++ {
					row, err := r.Next()
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					if row.Index != i || row.CustomID != fmt.Sprintf("row-%d", row.Line) {
						t.Errorf("row %d is %d, %s", i, row.Index, row.CustomID)
					}
					got = append(got, shown(row))
				}
				if !reflect.DeepEqual(got, test.want) {
					t.Errorf("got  %q\nwant %q", got, test.want)
				}
			}
		})
	}
}

func TestTSV(t *testing.T) {
	r, _ := tableOf(t, strings.NewReader("prompt\tn\na, b\t1\n\"c\td\"\t2\n\t3\n"), Options{Format: TSV})
	for _, want := range []string{"2 a, b", "3 c\td", "4! the row at in.csv:4 makes an empty prompt"} {
		if row, err := r.Next(); err != nil || shown(row) != want {
			t.Errorf("got %v, %v, want %s", shown(row), err, want)
		}
	}
}

// A record's length decides only about itself, also where quoted line ends make it long; and a quote that does not end
// within the window is taken for a mistake.
func TestTableLimits(t *testing.T) {
	const header = "n,prompt\n"
	long := strings.Repeat("x", 50)
	tests := []struct {
		name, input string
		want        []string
	}{
		{"at the limit", "1," + long[:28] + "\n2,a\n", []string{"2 " + long[:28], "3 a"}},
		{"above it", "1," + long[:29] + "\n2,a\n", []string{"2! 31", "3 a"}},
		{"above it, with line ends", "1,\"x\nx\nx\n" + long + "\"\n2,a\n", []string{"2! 60", "6 a"}},
		{"an open quote, long before the end", "1,\"x\n" + strings.Repeat("2,a\n", 100), append([]string{"2! the row at in.csv:2 opens a quote that is not closed within 100 bytes"},
			strings.Split(strings.TrimSuffix(numbered(3, 100, " a|"), "|"), "|")...)},
		{"a line above the window", "1," + strings.Repeat("x", 1000) + "\n2,a\n", []string{"2! 1002", "3 a"}},
		{"a line above the window, in a quote", "1,\"a\n" + strings.Repeat("x", 1000) + "\n2,a\n", []string{
			"2! the row at in.csv:2 opens a quote that is not closed within 100 bytes", "3! 1000", "4 a"}},
		{"a last line above the window", "1," + strings.Repeat("x", 1000), []string{"2! 1002"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
				r, f := tableOf(t, wrap(strings.NewReader(header+test.input)), Options{MaxRowBytes: 30})
				f.records.window = 100
				var got []string
				for {
					row, err := r.Next()
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					if row.Reject != nil && row.Reject.Code == CodeTooLarge {
						size := 0
						fmt.Sscanf(row.Reject.Message, "the row is %d bytes long, above the limit of 30", &size)
						got = append(got, fmt.Sprintf("%d! %d", row.Line, size))
						continue
					}
					message, _, _ := strings.Cut(shown(row), ";")
					got = append(got, message)
				}
				if !reflect.DeepEqual(got, test.want) {
					t.Errorf("got  %q\nwant %q", got, test.want)
				}
			}
		})
	}
}

// numbered repeats text behind growing numbers.
func numbered(first, n int, text string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprint(&b, first+i, text)
	}
	return b.String()
}

// A table that breaks off by an error of the disk must not pass for a shorter one.
func TestTableErrors(t *testing.T) {
	for input, line := range map[string]int{"prompt\na": 2, "prompt\na\nb\n": 4, "prompt\na\n\"b\nc": 4} {
		r, _ := tableOf(t, io.MultiReader(strings.NewReader(input), iotest.ErrReader(io.ErrUnexpectedEOF)), Options{})
		var err error
		rows := 0
		for ; err == nil; rows++ {
			_, err = r.Next()
		}
		if want := strings.Count(input, "a\n"); rows-1 < want || err == io.EOF || !strings.HasPrefix(err.Error(), "read in.csv, line ") {
			t.Errorf("%q: %d rows, %v (line %d)", input, rows-1, err, line)
		}
	}
}

func TestTableHeaders(t *testing.T) {
	for _, test := range []struct {
		input, want string
		layout      Layout
	}{
		{"", "read header of in.csv: the file is empty (empty_file); its first line must hold the column names", Layout{}},
		{"\n\r\n", "read header of in.csv: the file is empty", Layout{}},
		{"\xff\xfep\x00", "read header of in.csv: it is not UTF-8: byte 1, 0xff, is invalid; the file looks like UTF-16, save it as UTF-8", Layout{}},
		{"pro\"mpt\na\n", "read header of in.csv: the row at in.csv:1 has a bad quote at byte 4", Layout{}},
		{"id,text\n", `in.csv: name the prompt's column with --prompt-column, or combine columns with --prompt-template; the columns are "id", "text"`, Layout{}},
		{"id;text\n", `the columns are "id", "text"`, Layout{}},
		{"\"id;a\",text\n", `the columns are "id;a", "text"`, Layout{}},
		{"prompt,prompt\n", `in.csv: --prompt-column: column "prompt" exists more than once (at 1 and 2); rename one`, Layout{}},
		{"id,prompt,id\n", `in.csv: --id-column: column "id" exists more than once (at 1 and 3)`, Layout{IDColumn: "id"}},
		{"Prompt,n\n", `there is no column "prompt"; the columns are "Prompt", "n"`, Layout{PromptColumn: "prompt"}},
		{strings.Repeat("c,", 99) + "c\n", `"c" and 70 more`, Layout{}},
		{"a,b\n", `in.csv: --prompt-template: there is no column "c"; the columns are "a", "b"`, Layout{PromptTemplate: "{{.a}}{{.c}}"}},
	} {
		o := Options{Name: "in.csv", Format: CSV, Layout: test.layout, Defaults: testDefaults()}
		o.complete()
		_, err := newTable(strings.NewReader(test.input), o, newHasher(), &decoder{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v\nwant %s", test.input, err, test.want)
		}
	}
}

// The keys of rows do not depend on quoting, line ends and line numbers. A cell outside the prompt is not part of the
// request, but part of the name of a row without custom_id.
func TestTableKeys(t *testing.T) {
	key := func(input string, o Options) Key {
		t.Helper()
		r, _ := tableOf(t, strings.NewReader(input), o)
		row, err := r.Next()
		if err != nil || row.Reject != nil {
			t.Fatal(err, row.Reject)
		}
		return row.Key
	}
	base := key("prompt,n\n\"a\nb\",1\n", Options{})
	for _, same := range []string{"\ufeffprompt,n\r\n\"a\r\nb\",1\r\n", "\nprompt,n\n\n\"a\nb\",\"1\"", "question,number\n\"a\nb\",1\n"} {
		o := Options{}
		if strings.HasPrefix(same, "q") {
			o.Layout.PromptColumn = "question"
		}
		if got := key(same, o); got != base {
			t.Errorf("%q has another key", same)
		}
	}
	if got := key("prompt,n\n\"a\nb\",2\n", Options{}); got.Name() == base.Name() || got[8:][0] != base[8:][0] {
		t.Error("another cell is no other row, or changes what is asked")
	}
	if got := key("prompt,n\n\"a\nb\",1\n", Options{Layout: Layout{PromptTemplate: "{{.prompt}}{{.n}}"}}); got.Name() != base.Name() || got == base {
		t.Error("the template changes the name, or not what is asked")
	}
	named := key("prompt,n\n\"a\nb\",1\n", Options{Layout: Layout{IDColumn: "n"}})
	jsonl := readAll(t, `{"custom_id":"1","prompt":"a\nb"}`, jsonlOptions())[0].Key
	if named != jsonl {
		t.Error("the same row in JSONL has another key")
	}
}

// However a table is split, its shards together are the whole, also where it is only asked for names.
func TestTableShards(t *testing.T) {
	var b strings.Builder
	b.WriteString("id,prompt\n")
	for i := range 60 {
		b.WriteString([]string{"a%d,x\n", ",same\n", "short\n", "dup,y\n", "b%d,\"multi\nline\"\n", "c,\"open\n", "d%d,\xff\n", "\xff,x\n", "row-3,x\n", "e," + strings.Repeat("z", 300) + "\n"}[i*7%10])
	}
	read := func(o Options) (rows []string) {
		o.MaxRowBytes, o.Layout.IDColumn = 200, "id"
		r, _ := tableOf(t, strings.NewReader(b.String()), o)
		for {
			row, err := r.Next()
			if err == io.EOF {
				return rows
			}
			if err != nil {
				t.Fatal(err)
			}
			key := row.Key.String()
			if o.NamesOnly {
				row.Reject = nil
				key = fmt.Sprint(row.Key.Name())
			}
			rows = append(rows, fmt.Sprintf("%d %d %q %s %v", row.Index, row.Line, row.CustomID, key, row.Reject))
		}
	}
	whole := read(Options{})
	if len(whole) < 50 {
		t.Fatalf("%d rows", len(whole))
	}
	for _, n := range []int64{1, 2, 7} {
		got := make([]string, len(whole))
		for i := range n {
			for j, row := range read(Options{Shard: i, Shards: Shards{Count: n}}) {
				got[int64(j)*n+i] = row
			}
		}
		if !reflect.DeepEqual(got, whole) {
			t.Errorf("%d shards: %q\nwhole: %q", n, got, whole)
		}
	}
	names := read(Options{NamesOnly: true})
	for i, row := range names {
		if want := strings.Fields(whole[i])[:3]; !reflect.DeepEqual(strings.Fields(row)[:3], want) {
			t.Errorf("by names alone %q, want %q", row, want)
		}
	}
}

// Whatever the table, no line is lost: each belongs to one record or is empty. What encoding/csv reads without complaint is
// read the same, and a second reading finds the same, however the input comes.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "a\r\n\"1\r\n2\"\r\n", "\"a\"\"b\",\"\"\n\n\"\n\"\n", "a,\"b\n1,2\n3,\"4\"\n", "a\"b\nc", "\"a\"b\n", "\"", "a,b\n1,\"\"\"\n2,\"\"\n", "\ufeffa\n\r", "a\n\xff\n",
	} {
		f.Add([]byte(seed), 20, false)
		f.Add([]byte(seed), 3, true)
	}
	f.Fuzz(func(t *testing.T, input []byte, limit int, tabs bool) {
		comma := byte(',')
		if tabs {
			comma = '\t'
		}
		limit = 1 + limit&0xff
		make := func(in io.Reader) *recordReader {
			return &recordReader{in: in, name: "in.csv", comma: comma, limit: limit, window: 2 * limit, hasher: newHasher()}
		}
		r, again := make(strings.NewReader(string(input))), make(iotest.OneByteReader(strings.NewReader(string(input))))
		number := int64(0)
		sound := true
		var records []string
		for {
			l, err := r.next()
			same, sameErr := again.next()
			if !reflect.DeepEqual(l, same) || err != sameErr {
				t.Fatalf("read %+v, %v and then %+v, %v", l, err, same, sameErr)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if l.number <= number || l.tooLong != (l.size > int64(limit)) {
				t.Fatalf("line %d, then %+v", number, l)
			}
			if lines := int64(strings.Count(string(l.text), "\n")) + 1; !l.tooLong && r.number-l.number+1 != lines || l.rowErr != nil && lines > 1 {
				t.Fatalf("%q is from line %d to %d", l.text, l.number, r.number)
			}
			number = r.number
			sound = sound && l.rowErr == nil && !l.tooLong
			records = append(records, string(l.text))
		}
		if want := int64(strings.Count(string(input), "\n")); r.number != want && r.number != want+1 {
			t.Fatalf("%d lines, want %d", r.number, want)
		}
		theirs := csv.NewReader(strings.NewReader(string(input)))
		theirs.Comma, theirs.FieldsPerRecord = rune(comma), -1
		want, err := theirs.ReadAll()
		if err != nil || !sound {
			if sound {
				t.Fatalf("%q is sound here, and there %v", input, err)
			}
			return
		}
		var got [][]string
		var split table
		split.cells = csv.NewReader(&split.feed)
		split.cells.Comma, split.cells.FieldsPerRecord = rune(comma), -1
		for _, record := range records {
			cells, err := split.split([]byte(record))
			if err != nil {
				t.Fatalf("%q: %v", record, err)
			}
			got = append(got, slices.Clone(cells))
		}
		if !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
			t.Fatalf("%q is %q, want %q", input, got, want)
		}
	})
}

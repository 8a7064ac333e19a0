package prompt

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// rowsThenEnd is a table that is made as it is read.
type rowsThenEnd struct {
	row  func(i int) string
	rows int
	at   int
	rest []byte
}

func (r *rowsThenEnd) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.at == r.rows {
			return 0, io.EOF
		}
		r.rest = []byte(r.row(r.at))
		r.at++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func paperRow(i int) string {
	if i == 0 {
		return "custom_id,title,text\n"
	}
	return fmt.Sprintf("paper-%d,\"A title, quoted\",\"Some text of it\nin two lines, %d\"\n", i, i)
}

// A table of any length needs memory for the names and one row: after many rows only the names are alive.
func BenchmarkMemoryOfTables(b *testing.B) {
	const rows, most = 300_000, 16
	r, _ := tableOf(b, &rowsThenEnd{row: paperRow, rows: rows + 1}, Options{Layout: Layout{PromptTemplate: "{{.title}}: {{.text}}"}})
	before := heap()
	for i := range rows {
		row, err := r.Next()
		if err != nil || row.Reject != nil || row.Line != int64(2+2*i) {
			b.Fatal(i, err, row)
		}
	}
	each := float64(heap()-before) / rows
	if b.ReportMetric(each, "B/row"); each > most {
		b.Errorf("a row takes %.1f bytes for good, want %d at most", each, most)
	}
	runtime.KeepAlive(r)
}

// A quote that is never closed spoils only its own row, and needs no more memory than the window.
func TestAnOpenQuoteCostsItsRowAlone(t *testing.T) {
	const rows, window = 200_000, 1 << 20
	stray := func(i int) string {
		if i%1000 == 500 {
			return fmt.Sprintf("%d,\"open,x\n", i)
		}
		if i == 0 {
			return "custom_id,prompt,n\n"
		}
		return fmt.Sprintf("%d,a prompt of some length,x\n", i)
	}
	in := &rowsThenEnd{row: stray, rows: rows + 1}
	r, f := tableOf(t, in, Options{NamesOnly: true})
	f.records.window = window
	good := 0
	for i := 1; ; i++ {
		row, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil || row.Line != int64(i+1) {
			t.Fatal(i, err, row)
		}
		if row.CustomID == fmt.Sprint(i) {
			good++
		} else if i%1000 != 500 {
			t.Fatalf("line %d is called %s", row.Line, row.CustomID)
		}
	}
	if good != rows-rows/1000 {
		t.Errorf("%d rows have their names, want %d", good, rows-rows/1000)
	}
	if size := len(f.records.buffer); size > 4*window {
		t.Errorf("%d bytes are held for a window of %d", size, window)
	}
}

// A record that is too long is read in no more memory than the window, and not at all kept.
func TestTableSkipsInConstantMemory(t *testing.T) {
	const size = 256 << 20
	in := io.MultiReader(strings.NewReader("prompt\n"), io.LimitReader(endless('x'), size), strings.NewReader("\nb\n"))
	r, f := tableOf(t, in, Options{MaxRowBytes: 1 << 20})
	f.records.window = 1 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range 2 {
		row, err := r.Next()
		if err != nil || (row.Reject == nil) != (i == 1) {
			t.Fatalf("row %d: %v, %v", i, row.Reject, err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}

// A row shares no memory with the reader, and does not hold the rest of its record.
func TestTableRowsAreIndependent(t *testing.T) {
	r, f := tableOf(t, strings.NewReader("prompt,n\nfirst,"+strings.Repeat("x", 1000)+"\nother,y\n"), Options{Layout: Layout{IDColumn: "n"}, MaxRowBytes: 2000})
	row, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	copy(f.records.buffer, bytes.Repeat([]byte("#"), len(f.records.buffer)))
	if row.Request.Messages[0].Content != "first" || row.CustomID != strings.Repeat("x", 1000) {
		t.Errorf("got %+v", row)
	}
}

func BenchmarkTable(b *testing.B) {
	for _, template := range []string{"", "{{.title}}: {{.prompt}}"} {
		b.Run("template="+template, func(b *testing.B) {
			row := func(i int) string {
				if i == 0 {
					return "custom_id,title,prompt\n"
				}
				return fmt.Sprintf("row-a-%d,\"A \"\"title\"\"\",\"%s\"\n", i, strings.ReplaceAll(chatText, `\"`, `""`))
			}
			r, _ := tableOf(b, &rowsThenEnd{row: row, rows: -1}, Options{Layout: Layout{PromptTemplate: template}})
			b.SetBytes(int64(len(row(1))))
			b.ReportAllocs()
			for b.Loop() {
				if row, err := r.Next(); err != nil || row.Reject != nil {
					b.Fatal(err, row.Reject)
				}
			}
		})
	}
}

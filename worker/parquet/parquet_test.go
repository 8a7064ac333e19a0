package parquet

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
)

type turn struct {
	Role    string `parquet:"role"`
	Content string `parquet:"content"`
}

type sample struct {
	ID       int64            `parquet:"id"`
	Zebra    string           `parquet:"zebra"`
	Maybe    *string          `parquet:"maybe,optional"`
	Price    float64          `parquet:"price"`
	Flag     bool             `parquet:"flag"`
	Day      int32            `parquet:"day,date"`
	At       time.Time        `parquet:"at,timestamp(microsecond)"`
	Cost     int64            `parquet:"cost,decimal(2:9)"`
	Tags     []string         `parquet:"tags,list"`
	Messages []turn           `parquet:"messages,list"`
	Scores   [][]int32        `parquet:"-"`
	Extra    map[string]int32 `parquet:"extra"`
	Raw      []byte           `parquet:"raw"`
	Unsigned uint32           `parquet:"unsigned"`
}

func write(t *testing.T, rows []sample, o ...pq.WriterOption) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.parquet")
	f, _ := os.Create(path)
	w := pq.NewGenericWriter[sample](f, o...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	return path
}

func TestScratch(t *testing.T) {
	s := "x"
	rows := []sample{
		{ID: 1, Zebra: "a\"b\n\x01é", Price: 1.5, Flag: true, Day: 20000, At: time.Unix(1700000000, 5000), Cost: -5, Tags: []string{"a", "b"}, Messages: []turn{{"user", "hi"}, {"assistant", "yo"}}, Extra: map[string]int32{"k": 1}, Raw: []byte{255, 0}, Unsigned: 1 << 31},
		{ID: 2, Maybe: &s, Messages: nil, Tags: nil, Cost: 123456},
	}
	path := write(t, rows)
	table, err := Open([]string{path, path})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(table.Columns(), table.Rows())
	o := table.Objects()
	defer o.Close()
	for {
		b, err := o.Next()
		if err != nil {
			t.Log(err)
			break
		}
		t.Log(string(b), json.Valid(b))
	}
	own, err := table.Select([]string{"tags", "messages", "id", "day", "at", "extra", "maybe"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := NewWriter(&out, []Column{{"custom_id", Text}}, own, []Column{{"answer", Text}, {"n", Integer}, {"ok", Boolean}, {"x", Number}})
	for i := range int64(4) {
		if i == 1 {
			continue
		}
		if err := w.Write(i, []json.RawMessage{[]byte(`"row"`), []byte(`"an\u00e9swer"`), []byte("3.0"), []byte("true"), nil}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "b.parquet")
	os.WriteFile(to, out.Bytes(), 0o600)
	os.WriteFile("/tmp/b.parquet", out.Bytes(), 0o600)
	table, err = Open([]string{to})
	if err != nil {
		t.Fatal(err)
	}
	o = table.Objects()
	for {
		b, err := o.Next()
		if err != nil {
			t.Log(err)
			break
		}
		t.Log(string(b), json.Valid(b))
	}
	t.Log(IsOurs(to))
	t.Log(IsOurs(path))
}

package parquet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
)

type turn struct {
	Role    string `parquet:"role"`
	Content string `parquet:"content"`
}

type record struct {
	Zebra    string            `parquet:"zebra"`
	ID       int64             `parquet:"id"`
	Maybe    *string           `parquet:"maybe,optional"`
	Price    float64           `parquet:"price"`
	Flag     bool              `parquet:"flag"`
	Day      int32             `parquet:"day,date"`
	At       time.Time         `parquet:"at,timestamp(microsecond)"`
	Cost     int64             `parquet:"cost,decimal(2:18)"`
	Tags     []string          `parquet:"tags,list"`
	Messages []turn            `parquet:"messages,list"`
	Extra    map[string]int32  `parquet:"extra"`
	Raw      []byte            `parquet:"raw"`
	Unsigned uint32            `parquet:"unsigned"`
	Inner    struct{ A *turn } `parquet:"inner"`
}

func records(n int) (list []record) {
	for i := range n {
		r := record{
			Zebra: "a\"b\n\x01é" + strings.Repeat("x", i%7), ID: int64(i), Price: float64(i) / 8, Flag: i%2 == 0, Day: 20000, At: time.Unix(1_700_000_000, 5000),
			Cost: int64(i - 5), Tags: []string{"a", "b"}[:i%3%2+i%2], Raw: []byte{255, 0}, Unsigned: 1 << 31, Extra: map[string]int32{"k": int32(i)},
		}
		if i%2 == 0 {
			s := fmt.Sprint("some ", i)
			r.Maybe, r.Messages, r.Inner.A = &s, []turn{{"user", "hi"}, {"assistant", "yo"}}, &turn{"x", "y"}
		}
		list = append(list, r)
	}
	return list
}

// write writes rows to a file, in parts that become row groups.
func write[T any](t *testing.T, groups [][]T, o ...pq.WriterOption) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.parquet")
	var out bytes.Buffer
	w := pq.NewGenericWriter[T](&out, o...)
	for _, group := range groups {
		if _, err := w.Write(group); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// objects returns the rows of files as JSON.
func objects(paths ...string) (list []string, err error) {
	table, err := Open(paths)
	if err != nil {
		return nil, err
	}
	o := table.Objects()
	defer o.Close()
	for {
		object, err := o.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, string(object))
	}
}

// A row has the JSON of its values, in the order of the columns.
func TestObjects(t *testing.T) {
	t.Parallel()
	got, err := objects(write(t, [][]record{records(2)}))
	want := []string{
		`{"zebra":"a\"b\n\u0001é","id":0,"maybe":"some 0","price":0,"flag":true,"day":"2024-10-04","at":"2023-11-14T22:13:20.000005Z","cost":-0.05,"tags":[],"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yo"}],"extra":{"k":0},"raw":"/wA=","unsigned":2147483648,"inner":{"A":{"role":"x","content":"y"}}}`,
		`{"zebra":"a\"b\n\u0001éx","id":1,"maybe":null,"price":0.125,"flag":false,"day":"2024-10-04","at":"2023-11-14T22:13:20.000005Z","cost":-0.04,"tags":["a","b"],"messages":[],"extra":{"k":1},"raw":"/wA=","unsigned":2147483648,"inner":{"A":null}}`,
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Row groups, pages, compression and the division into files change no row: the JSON decides the key of a row.
func TestFormOfTheFileDoesNotMatter(t *testing.T) {
	t.Parallel()
	all := records(300)
	want, err := objects(write(t, [][]record{all}))
	if err != nil || len(want) != len(all) {
		t.Fatal(len(want), err)
	}
	var codecs = map[string]compress.Codec{"snappy": &pq.Snappy, "zstd": &pq.Zstd, "gzip": &pq.Gzip, "lz4": &pq.Lz4Raw, "brotli": &pq.Brotli}
	for name, codec := range codecs {
		got, err := objects(write(t, [][]record{all[:1], all[1:200], nil, all[200:]}, pq.Compression(codec), pq.PageBufferSize(512)))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %d rows, %v", name, len(got), err)
		}
	}
	got, err := objects(write(t, [][]record{all[:100]}), write(t, [][]record{nil}), write(t, [][]record{all[100:]}))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("in parts: %d rows, %v", len(got), err)
	}
}

// NaN and infinity are null, and numbers print as short as they can.
func TestNumbers(t *testing.T) {
	t.Parallel()
	type numbers struct {
		D float64 `parquet:"d"`
		F float32 `parquet:"f"`
	}
	var rows []numbers
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 0.1, 1e300, 1e-300, 123456789, -2.5} {
		rows = append(rows, numbers{f, float32(f)})
	}
	got, err := objects(write(t, [][]numbers{rows}))
	want := []string{
		`{"d":null,"f":null}`, `{"d":null,"f":null}`, `{"d":null,"f":null}`, `{"d":0,"f":0}`, `{"d":0.1,"f":0.1}`,
		`{"d":1e+300,"f":null}`, `{"d":1e-300,"f":0}`, `{"d":123456789,"f":123456790}`, `{"d":-2.5,"f":-2.5}`,
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A copied column keeps its values and its type, beside values from JSON; rows that are left out or written twice change no other.
func TestCopiedColumns(t *testing.T) {
	t.Parallel()
	source := write(t, [][]record{records(40), records(3)})
	table, err := Open([]string{source, source})
	if err != nil {
		t.Fatal(err)
	}
	own, err := table.Select([]string{"tags", "messages", "inner", "id", "at", "extra", "maybe", "cost"})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	path := filepath.Join(t.TempDir(), "to.parquet")
	to, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	w := NewWriter(to, []Column{{"custom_id", Text}}, own, []Column{{"answer", Text}, {"n", Integer}, {"ok", Boolean}, {"x", Number}, {"j", JSON}, {"none", ""}})
	indices := []int64{0, 0, 2, 41, 42, 43, 85}
	for _, i := range indices {
		err := w.Write(i, []json.RawMessage{[]byte(fmt.Sprintf(`"row %d"`, i)), []byte(`"an\u00e9"`), []byte("3.0"), []byte("true"), []byte("2"), []byte(`{"a":[1]}`), nil})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := objects(source, source)
	if err != nil {
		t.Fatal(err)
	}
	got, err := objects(path)
	if err != nil || len(got) != len(indices) {
		t.Fatal(got, err)
	}
	for at, i := range indices {
		var was, is map[string]json.RawMessage
		if err := errors.Join(json.Unmarshal([]byte(before[i]), &was), json.Unmarshal([]byte(got[at]), &is)); err != nil {
			t.Fatal(err)
		}
		for _, name := range namesOf(own.reader.table.root) {
			if is[name] != nil && string(is[name]) != string(was[name]) {
				t.Errorf("row %d, %s: %s, was %s", i, name, is[name], was[name])
			}
		}
		for name, want := range map[string]string{"custom_id": fmt.Sprintf(`"row %d"`, i), "answer": `"ané"`, "n": "3", "ok": "true", "x": "2", "j": `{"a":[1]}`, "none": "null"} {
			if string(is[name]) != want {
				t.Errorf("row %d, %s: %s, want %s", i, name, is[name], want)
			}
		}
	}
	copied, err := Open([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tags", "messages", "inner", "id", "at", "extra", "maybe", "cost"} {
		if there := difference(table.root.Column(name), copied.root.Column(name)); there != "" || describe(table.root.Column(name)) != describe(copied.root.Column(name)) {
			t.Errorf("%s is %s now, was %s; %s", name, describe(copied.root.Column(name)), describe(table.root.Column(name)), there)
		}
	}
	if ours, err := IsOurs(path); err != nil || !ours {
		t.Error("the table is not recognised:", err)
	}
	if ours, err := IsOurs(source); err != nil || ours {
		t.Error("a table of others is taken for ours:", err)
	}
}

// Columns of nulls alone, as pyarrow writes them for pandas, are read and copied, also as a member of a group and in a list.
func TestCopiedNulls(t *testing.T) {
	t.Parallel()
	list := pq.List(pq.Optional(pq.Leaf(nulls{pq.Int32Type})))
	schema := pq.NewSchema("table", pq.Group{"a": pq.String(), "g": pq.Group{"b": pq.String(), "n": pq.Optional(pq.Leaf(nulls{pq.Int32Type}))}, "l": list, "n": pq.Optional(pq.Leaf(nulls{pq.Int32Type}))})
	var out bytes.Buffer
	w := pq.NewGenericWriter[any](&out, schema)
	row := pq.Row{
		pq.ValueOf("x").Level(0, 0, 0), pq.ValueOf("y").Level(0, 0, 1), pq.NullValue().Level(0, 0, 2),
		pq.NullValue().Level(0, 1, 3), pq.NullValue().Level(1, 1, 3), pq.NullValue().Level(0, 0, 4),
	}
	path, to := filepath.Join(t.TempDir(), "a.parquet"), filepath.Join(t.TempDir(), "b.parquet")
	if _, err := w.WriteRows([]pq.Row{row, row}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), os.WriteFile(path, out.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	table, err := Open([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	own, err := table.Select(table.Columns())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	out.Reset()
	copied := NewWriter(&out, nil, own, []Column{{"answer", Text}})
	for i := range int64(2) {
		if err := copied.Write(i, []json.RawMessage{[]byte(`"z"`)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(copied.Close(), os.WriteFile(to, out.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	const want = `{"a":"x","g":{"b":"y","n":null},"l":[null,null],"n":null`
	if got, err := objects(path); err != nil || !slices.Equal(got, []string{want + "}", want + "}"}) {
		t.Errorf("the table is %s, %v; want twice %s}", got, err, want)
	}
	if got, err := objects(to); err != nil || !slices.Equal(got, []string{want + `,"answer":"z"}`, want + `,"answer":"z"}`}) {
		t.Errorf("the copy is %s, %v; want twice %s and the answer", got, err, want)
	}
	if again, err := Open([]string{to}); err != nil || describe(again.root.Column("n")) != "optional NULL" {
		t.Error("the copy has another type, or cannot be opened:", err)
	}
}

// A value that does not fit its column is null.
func TestValuesThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of    Type
		value string
		want  string
	}{
		{Integer, "1.5", "null"}, {Integer, "1e3", "1000"}, {Integer, "99999999999999999999", "null"}, {Integer, `"1"`, "null"}, {Integer, "-9223372036854775808", "-9223372036854775808"},
		{Boolean, "1", "null"}, {Boolean, "false", "false"}, {Number, `"x"`, "null"}, {Number, "7", "7"}, {Text, "7", `"7"`}, {Text, "null", "null"}, {JSON, `"a"`, `"a"`}, {"", `"a"`, "null"},
	} {
		path := filepath.Join(t.TempDir(), "a.parquet")
		var out bytes.Buffer
		w := NewWriter(&out, []Column{{"v", c.of}}, nil, nil)
		if err := errors.Join(w.Write(0, []json.RawMessage{[]byte(c.value)}), w.Close(), os.WriteFile(path, out.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
		if got, err := objects(path); err != nil || !slices.Equal(got, []string{`{"v":` + c.want + `}`}) {
			t.Errorf("%s in a column of %q: %s, %v; want %s", c.value, c.of, got, err, c.want)
		}
	}
}

// A file with other columns is no part of the table.
func TestPartsHaveTheSameColumns(t *testing.T) {
	t.Parallel()
	type other struct {
		Zebra string `parquet:"zebra"`
	}
	type otherType struct {
		Zebra int32 `parquet:"zebra"`
	}
	first := write(t, [][]other{{{"a"}}})
	for want, path := range map[string]string{
		`it has the column "id", too`:       write(t, [][]record{records(1)}),
		"zebra is INT(32,true) in place of": write(t, [][]otherType{{{1}}}),
	} {
		if _, err := Open([]string{first, path}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, want %s: %s", err, path, want)
		}
	}
}

// A damaged file ends in an error or in other values, never in a panic, and in no more rows than the file claims.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	path := write(t, [][]record{records(20), records(20)}, pq.Compression(&pq.Snappy))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	failed, n := 0, 0
	for at := 4; at < len(data)-8; at += max(1, len(data)/700) {
		for _, mask := range []byte{0x01, 0xff} {
			broken := bytes.Clone(data)
			broken[at] ^= mask
			if err := os.WriteFile(path, broken, 0o600); err != nil {
				t.Fatal(err)
			}
			n++
			if rows, err := objects(path); err != nil {
				failed++
				if !strings.Contains(err.Error(), path) {
					t.Errorf("byte %d: the error does not name the file: %v", at, err)
				}
			} else if len(rows) != 40 {
				t.Errorf("byte %d: %d rows and no error", at, len(rows))
			}
		}
	}
	if failed < n/4 {
		t.Errorf("%d of %d damaged files gave an error", failed, n)
	}
	pretended := "PAR1" + strings.Repeat("a prompt\n", 50) + "PAR1"
	if err := os.WriteFile(path, []byte(pretended), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := objects(path); err == nil || !strings.Contains(err.Error(), "the Parquet file "+path+": it is damaged, or it is no Parquet file") {
		t.Errorf("a text between the marks of Parquet: %v", err)
	}
	for _, cut := range []int{0, 3, 4, 11, len(data) / 2, len(data) - 1} {
		if err := os.WriteFile(path, data[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := objects(path); err == nil {
			t.Errorf("%d of %d bytes: no error", cut, len(data))
		}
	}
}

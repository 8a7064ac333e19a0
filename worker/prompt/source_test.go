package prompt

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func gzipped(t *testing.T, plain string) []byte {
	t.Helper()
	var out bytes.Buffer
	for half := range 2 { // two members, as cat a.gz b.gz makes them
		w := gzip.NewWriter(&out)
		if _, err := io.WriteString(w, plain[half*len(plain)/2:(half+1)*len(plain)/2]); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func zstdCompressed(t *testing.T, plain string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll([]byte(plain), nil)
}

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The same rows with the same keys come out of every way to hold them.
func TestOpen(t *testing.T) {
	var plain strings.Builder
	for i := range 1000 {
		plain.WriteString(chatRow(i))
	}
	want := readAll(t, plain.String(), jsonlOptions())
	for name, content := range map[string][]byte{
		"in.jsonl": []byte(plain.String()), "in.jsonl.gz": gzipped(t, plain.String()), "IN.JSONL.ZST": zstdCompressed(t, plain.String()),
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, name, content)
			source, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if source.Size() != int64(len(content)) {
				t.Errorf("size %d, want %d", source.Size(), len(content))
			}
			r := rowsOf(t, source, jsonlOptions())
			for i := range want {
				row, err := r.Next()
				if err != nil || row.Reject != nil {
					t.Fatal(err, row.Reject)
				}
				if row.Key != want[i].Key {
					t.Fatalf("row %d: key %v, want %v", i, row.Key, want[i].Key)
				}
			}
			if _, err := r.Next(); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
			if source.Offset() != source.Size() {
				t.Errorf("offset %d at the end, want %d", source.Offset(), source.Size())
			}
			if err := source.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func rowsOf(t *testing.T, s *Source, o Options) *Reader {
	t.Helper()
	r, err := s.Rows(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOpenStdin(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer func(old *os.File) { os.Stdin = old }(os.Stdin)
	os.Stdin = in
	source, err := Open(Stdin)
	if err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		defer out.Close()
		fmt.Fprint(out, "one\ntwo\n")
	})
	defer writer.Wait()
	r := rowsOf(t, source, textOptions())
	for _, want := range []string{"one", "two"} {
		if row, err := r.Next(); err != nil || row.Request.Messages[0].Content != want {
			t.Errorf("got %+v, %v, want %s", row, err, want)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if source.Size() != 0 || source.Offset() != 8 {
		t.Errorf("size %d, offset %d", source.Size(), source.Offset())
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
	if _, err := in.Stat(); err != nil {
		t.Errorf("standard input was closed: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	locked := write(t, "locked.jsonl", []byte("{}"))
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path, message string
		cause         error
	}{
		{filepath.Join(dir, "none.jsonl"), "no such file or directory", fs.ErrNotExist},
		{dir, "it holds no texts (.txt, .md), no images (.png, .jpg, .jpeg, .webp) and no Parquet files", nil},
		{locked, "permission denied", fs.ErrPermission},
		{write(t, "in.xlsx", []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")), "it is an old Excel or Word file; save the sheet as CSV (UTF-8)", nil},
	}
	for _, test := range tests {
		source, err := Open(test.path)
		if err == nil {
			source.Close()
			if test.path == locked && os.Geteuid() == 0 {
				continue // root may read it all the same
			}
			t.Errorf("%s: no error", test.path)
			continue
		}
		want := "open input " + test.path + ": " + test.message
		if !strings.HasPrefix(err.Error(), want) || test.cause != nil && !errors.Is(err, test.cause) {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

// A file that was cut off must not pass for a shorter one.
func TestOpenTruncated(t *testing.T) {
	plain := strings.Repeat("a line\n", 50_000)
	for name, content := range map[string][]byte{"in.txt.gz": gzipped(t, plain), "in.txt.zst": zstdCompressed(t, plain)} {
		for _, cut := range []int{1, len(content) / 3} {
			path := write(t, name, content[:len(content)-cut])
			source, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			r := rowsOf(t, source, textOptions())
			for err == nil {
				_, err = r.Next()
			}
			if err == io.EOF || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v", name, err)
			}
			source.Close()
		}
	}
}

func TestFormatOf(t *testing.T) {
	for path, want := range map[string]Format{
		"a.jsonl": JSONL, "a.json": JSONL, "a.ndjson": JSONL, "a.JSONL.gz": JSONL, "a.b.json.zst": JSONL,
		"a.txt": Text, "a.txt.GZ": Text, "a.txt.zst": Text,
		"a.csv.xz": CSV, "a.tsv.bz2": TSV, "a.csv": CSV, "a.CSV.gz": CSV, "a.tsv.zst": TSV, "-": Auto, "a": Auto, "csv": Auto, "a.gz": Auto, "jsonl": Auto, "a.jsonl/b": Auto, "": Auto, ".gz": Auto,
	} {
		if got := FormatOf(path); got != want {
			t.Errorf("FormatOf(%q) = %v, want %v", path, got, want)
		}
	}
}

package unpack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

const lines = `{"prompt":"one"}` + "\n" + `{"prompt":"two"}` + "\n"

// read returns the text in a file with this content.
func read(t *testing.T, content []byte) (string, *Text, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	text, err := Open(file)
	if err != nil {
		return "", nil, err
	}
	t.Cleanup(func() { text.Close() })
	all, err := io.ReadAll(text)
	return string(all), text, err
}

func gzipped(t *testing.T, plain string) []byte {
	var b bytes.Buffer
	return closed(t, &b, gzip.NewWriter(&b), plain)
}

func zipped(t *testing.T, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range members {
		m, err := w.Create(name)
		if err == nil && !strings.HasSuffix(name, "/") {
			_, err = io.WriteString(m, lines)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// closed returns what a writer has written of the text into b.
func closed(t *testing.T, b *bytes.Buffer, w io.WriteCloser, plain string) []byte {
	t.Helper()
	if _, err := io.WriteString(w, plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func xzipped(t *testing.T, plain string) []byte {
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	return closed(t, &b, w, plain)
}

func zstandard(t *testing.T, plain string, o ...zstd.EOption) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, o...)
	if err != nil {
		t.Fatal(err)
	}
	return closed(t, &b, w, plain)
}

// bzip2 of lines, by bzip2 itself: Go has no writer.
const bzip2ed = "QlpoOTFBWSZTWTw/KEwAAA9ZgAAQEAAAEAID1IogACEpNNGmT0IBoARZCNVMlbZIhviB7Q5gu5IpwoSB4flCYA=="

// However a file is packed, and whatever it is called, its text is read.
func TestPackedText(t *testing.T) {
	half := len(lines) / 2
	first, second := lines[:half], lines[half:]
	zeros := make([]byte, 1000)
	skippable := append([]byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0}, "xyz"...)
	// A frame whose header asks for a window of 576 MiB, above the limit of the library itself, as zstd --long=30 may write it for large
	// inputs. Its only block holds the lines as they are.
	block := len(lines)<<3 | 1
	long := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x99, byte(block), byte(block >> 8), 0}, lines...)
	bzip2, err := base64.StdEncoding.DecodeString(bzip2ed)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"plain":               []byte(lines),
		"bzip2":               bzip2,
		"bzip2 streams":       append(bytes.Clone(bzip2), bzip2...),
		"gzip":                gzipped(t, lines),
		"gzip members":        append(gzipped(t, first), gzipped(t, second)...),
		"gzip, empty members": bytes.Join([][]byte{gzipped(t, lines), bytes.Repeat(gzipped(t, ""), 500)}, nil),
		"gzip, zeros behind":  append(gzipped(t, lines), zeros...),
		"gzip, zeros between": bytes.Join([][]byte{gzipped(t, first), zeros, gzipped(t, second)}, nil),
		"zstd":                zstandard(t, lines),
		"zstd frames":         append(zstandard(t, first), zstandard(t, second)...),
		"zstd, skippable":     append(skippable, zstandard(t, lines)...),
		"zstd, long window":   long,
		"xz":                  xzipped(t, lines),
		"xz streams":          append(xzipped(t, first), xzipped(t, second)...),
		"zip":                 zipped(t, "rows.jsonl"),
		"zip of macOS":        zipped(t, "data/", "data/rows.jsonl", "__MACOSX/data/._rows.jsonl", "data/.DS_Store"),
	} {
		got, text, err := read(t, content)
		if err != nil || strings.TrimPrefix(got, lines) != "" && got != lines+lines || got == "" {
			t.Errorf("%s: %q, %v", name, got, err)
			continue
		}
		if text.Packed != (name != "plain") || text.Offset() == 0 {
			t.Errorf("%s: packed %t, %d bytes read", name, text.Packed, text.Offset())
		}
		if strings.HasPrefix(name, "zip") && filepath.Base(text.Member) != "rows.jsonl" {
			t.Errorf("%s: the member is %q", name, text.Member)
		}
	}
	if got, _, err := read(t, nil); err != nil || got != "" {
		t.Errorf("an empty file: %q, %v", got, err)
	}
}

// A file that is no text is named, with a way out, and nothing of it is returned.
func TestNoText(t *testing.T) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "rows.jsonl", Size: int64(len(lines)), Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	tarred := closed(t, &archive, w, lines)
	utf16 := func(order ...int) []byte {
		var b []byte
		for _, c := range []byte(lines) {
			b = append(b, []byte{c, 0}[order[0]], []byte{c, 0}[order[1]])
		}
		return b
	}
	for _, tt := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"workbook", zipped(t, "[Content_Types].xml", "xl/workbook.xml"), "it is an Excel workbook; save the sheet as CSV (UTF-8)"},
		{"Word", zipped(t, "word/document.xml"), "a Word document"},
		{"OpenDocument", zipped(t, "mimetype", "content.xml", "META-INF/manifest.xml"), "an OpenDocument file"},
		{"zip of two", zipped(t, "a.jsonl", "b.jsonl"), "a zip archive of 2 files"},
		{"old workbook", []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00"), "an old Excel or Word file"},
		{"tar", tarred, "a tar archive"},
		{"tar.gz", gzipped(t, string(tarred)), "a tar archive"},
		{"gzip in gzip", gzipped(t, string(gzipped(t, lines))), "compressed twice"},
		{"UTF-16, marked", append([]byte("\xff\xfe"), utf16(0, 1)...), "text in UTF-16"},
		{"UTF-16", utf16(0, 1), "text in UTF-16; save it as UTF-8"},
		{"UTF-16, big endian", utf16(1, 0), "text in UTF-16"},
		{"SQLite", []byte("SQLite format 3\x00\x10\x00"), "an SQLite database"},
		{"Arrow", []byte("ARROW1\x00\x00"), "an Arrow file"},
		{"PDF", []byte("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj"), "a PDF document"},
		{"page", []byte("\n<!DOCTYPE html>\n<html>"), "an HTML page"},
		{"image", []byte("\x89PNG\r\n\x1a\n\x00\x00"), "an image"},
		{"model", []byte("GGUF\x03\x00\x00\x00"), "--gguf"},
		{"anything", []byte("ab\x00\x01\x00\x00\x07rows"), "a binary file"},
	} {
		got, _, err := read(t, tt.content)
		var kind *KindError
		if !errors.As(err, &kind) || !strings.Contains(err.Error(), tt.want) || got != "" {
			t.Errorf("%s: %q, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

// Text that begins like something else is text.
func TestTextThatLooksLikeMore(t *testing.T) {
	for _, plain := range []string{"BM is a short form\n", "BZh is a letter\n", "PK\n", "GIF89a was new in 1989\n", "MZ", "<p>html</p>\n", "%PDF", "\xef\xbb\xbfa\n", "ustar\n", "P", "{\\",
		"GGUF is a format\n", "PAR1 is one\n", "Rar! it said\n", "%PDF-1.7 begins a document: ü\n", "Obj", strings.Repeat("x", kindSize-1) + "ü\n"} {
		if got, _, err := read(t, []byte(plain)); err != nil || got != plain {
			t.Errorf("%q: %q, %v", plain, got, err)
		}
	}
}

// Data that is cut off is an error, and no shorter text.
func TestCutOff(t *testing.T) {
	plain := strings.Repeat(lines, 1000)
	for name, content := range map[string][]byte{
		"gzip": gzipped(t, plain), "zstd": zstandard(t, plain), "xz": xzipped(t, plain), "zip": zipped(t, "rows.jsonl"),
	} {
		for _, cut := range []int{1, len(content) / 2} {
			if got, _, err := read(t, content[:len(content)-cut]); err == nil {
				t.Errorf("%s without %d bytes: %d bytes, no error", name, cut, len(got))
			}
		}
	}
	if _, _, err := read(t, append(gzipped(t, lines), "garbage"...)); err == nil {
		t.Error("garbage behind gzip: no error")
	}
}

// A pipe is read when its text is asked for, and no further than its first line.
func TestPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := Open(r) // waits for nothing
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "a\n")
	buffer := make([]byte, 10)
	if n, err := text.Read(buffer); err != nil || string(buffer[:n]) != "a\n" {
		t.Errorf("%q, %v", buffer[:n], err)
	}
	w.Close()
	for _, tt := range []struct {
		content []byte
		want    string
	}{{gzipped(t, lines), ""}, {zipped(t, "a.jsonl"), "cannot be read from a pipe"}, {[]byte("\xff\xfea\x00"), "UTF-16"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		w.Write(tt.content)
		w.Close()
		text, err := Open(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(text)
		if tt.want == "" && (err != nil || string(got) != lines) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q, %v; want %q", got, err, tt.want)
		}
		text.Close()
		r.Close()
	}
}

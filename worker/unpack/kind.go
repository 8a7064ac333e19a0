package unpack

import (
	"bytes"
	"unicode/utf8"
)

// KindError says that a file is no text that holds rows.
type KindError struct {
	Kind   string // with its article: "an Excel workbook"
	Advice string // what makes a readable file of it
}

func (e *KindError) Error() string { return "it is " + e.Kind + "; " + e.Advice }

// signature is how files of a kind begin.
type signature struct {
	at    int
	bytes string
	KindError
}

const (
	saveAsCSV  = "save the sheet as CSV (UTF-8)"
	asLines    = "write its rows as CSV or JSONL"
	takeText   = "take the text out of it, one prompt for each line, or one .txt file for each prompt in a folder"
	unpackTar  = "unpack it, and name the file with the rows, or the folder of its texts or images"
	asUTF8     = "save it as UTF-8, for example with iconv -t UTF-8"
	imageRows  = "an image is asked about in a folder of images, or in a row that names it (--image-dir)"
	decompress = "decompress it first"
)

// The beginnings of the kinds here that are text themselves.
const (
	rtf     = `{\rtf`
	pointer = "version https://git-lfs.github.com/spec/"
)

// signatures are the kinds that a file which is no text has for its first bytes. The sources are the formats' own
// descriptions, and file(1).
var signatures = []signature{
	{0, "PAR1", KindError{"a Parquet file", "such a file cannot come from a pipe or out of an archive: name the file itself"}},
	{0, "ARROW1", KindError{"an Arrow file", asLines}},
	{0, "FEA1", KindError{"a Feather file", asLines}},
	{0, "Obj\x01", KindError{"an Avro file", asLines}},
	{0, "SQLite format 3\x00", KindError{"an SQLite database", "write its rows with sqlite3 -csv -header FILE 'select …'"}},
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", KindError{"an old Excel or Word file", saveAsCSV}},
	{0, "\x89HDF\r\n\x1a\n", KindError{"an HDF5 file", asLines}},
	{0, "\x93NUMPY", KindError{"an array of NumPy", asLines}},
	{0, "RDX2\n", KindError{"a file of R", asLines}},
	{0, "RDX3\n", KindError{"a file of R", asLines}},
	{0, "%PDF-", KindError{"a PDF document", takeText}},
	{0, rtf, KindError{"an RTF document", takeText}},
	{0, pointer, KindError{"a pointer of Git LFS, in place of the file itself", "fetch the file with git lfs pull"}},
	{257, "ustar", KindError{"a tar archive", unpackTar}},
	{0, "7z\xbc\xaf\x27\x1c", KindError{"a 7z archive", decompress}},
	{0, "Rar!\x1a\x07", KindError{"a RAR archive", decompress}},
	{0, "\x04\x22\x4d\x18", KindError{"an LZ4 file", decompress}},
	{0, "\x1f\x9d", KindError{"a file of compress (.Z)", decompress}},
	{0, "\xfd7zXZ\x00", KindError{"compressed twice", decompress}},
	{0, "\x1f\x8b\x08", KindError{"compressed twice", decompress}},
	{0, "\x28\xb5\x2f\xfd", KindError{"compressed twice", decompress}},
	{0, "PK\x03\x04", KindError{"a zip archive in another archive", decompress}},
	{0, "GGUF", KindError{"a model", "name it with --gguf"}},
	{0, "\x89PNG\r\n", KindError{"an image", imageRows}},
	{0, "\xff\xd8\xff", KindError{"an image", imageRows}},
	{0, "\xff\xfe\x00\x00", KindError{"text in UTF-32", asUTF8}},
	{0, "\xff\xfe", KindError{"text in UTF-16", asUTF8}},
	{0, "\xfe\xff", KindError{"text in UTF-16", asUTF8}},
}

// kindSize is the size in bytes of the start that decides the kind. A zero behind it is the fault of its own row.
const kindSize = 512

// kindOf returns the kind of a file that begins with start; nil if it may be text in UTF-8.
func kindOf(start []byte) error {
	start = start[:min(len(start), kindSize)]
	text := isText(start)
	for _, s := range signatures {
		if text && s.bytes != rtf && s.bytes != pointer { // a prompt may begin with GGUF, too
			continue
		}
		if len(start) > s.at && bytes.HasPrefix(start[s.at:], []byte(s.bytes)) {
			return &s.KindError
		}
	}
	if isHTML(start) {
		return &KindError{"an HTML page", takeText}
	}
	switch nul := bytes.Count(start, []byte{0}); {
	case nul == 0:
		return nil
	case isUTF16(start, nul):
		return &KindError{"text in UTF-16", asUTF8}
	}
	return &KindError{"a binary file", "rows are text in UTF-8: JSONL, CSV, TSV, or one prompt for each line"}
}

// isText reports whether a text in UTF-8 begins here; its last character may be cut.
func isText(start []byte) bool {
	for cut := range min(utf8.UTFMax, len(start)+1) {
		if utf8.Valid(start[:len(start)-cut]) {
			return bytes.IndexByte(start, 0) < 0
		}
	}
	return false
}

// isHTML reports whether a page begins here: a download that is the page of an error, often.
func isHTML(start []byte) bool {
	start = bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, tag := range []string{"<!doctype html", "<html"} {
		if len(start) >= len(tag) && bytes.EqualFold(start[:len(tag)], []byte(tag)) {
			return true
		}
	}
	return false
}

// isUTF16 reports whether the zeros in text without a byte order mark are those of UTF-16: the upper halves of most characters,
// so either at even or at odd places.
func isUTF16(start []byte, nul int) bool {
	var at [2]int
	for i, b := range start {
		if b == 0 {
			at[i%2]++
		}
	}
	return max(at[0], at[1]) == nul && nul >= len(start)/4 && !bytes.Contains(start, []byte{0, 0})
}

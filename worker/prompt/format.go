package prompt

import (
	"bufio"
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"fluxworker/worker/unpack"
)

// Format is the format of an input.
type Format int

// The formats.
const (
	Auto    Format = iota // the first line that is neither blank nor a comment decides
	JSONL                 // one JSON object per line; lines that start with # are comments; or a JSON list of objects
	Text                  // one prompt per line, used literally
	CSV                   // a header with the column names, then one record per row, as in RFC 4180
	TSV                   // CSV with tabs instead of commas
	Folder                // one text or image file per row
	Parquet               // a table with types, in one or more files
)

// String returns the name of the format.
func (f Format) String() string {
	switch f {
	case JSONL:
		return "jsonl"
	case Text:
		return "text"
	case CSV:
		return "csv"
	case TSV:
		return "tsv"
	case Folder:
		return "folder"
	case Parquet:
		return "parquet"
	default:
		return "auto"
	}
}

// FormatOf returns the format that a file's name implies, without the ending of a compressed file.
func FormatOf(path string) Format {
	if ext := filepath.Ext(path); slices.Contains(unpack.Extensions, strings.ToLower(ext)) {
		path = strings.TrimSuffix(path, ext)
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".jsonl", ".json", ".ndjson":
		return JSONL
	case ".txt":
		return Text
	case ".csv":
		return CSV
	case ".tsv":
		return TSV
	default:
		return Auto
	}
}

// sniff detects the format from the unread input, without consuming it. It waits for no more input than it needs, so a
// slow pipe is detected at its first line. If only blank lines and comments fill the buffer of in, or the whole input,
// the format is text: as JSONL these lines would be no rows and would be lost.
func sniff(in *bufio.Reader) (Format, error) {
	for n := 1; ; n = in.Buffered() + 1 {
		_, err := in.Peek(n)
		window, _ := in.Peek(in.Buffered())
		if f := formatOfStart(window); f != Auto {
			return f, nil
		}
		switch {
		case err == io.EOF, err == bufio.ErrBufferFull:
			return Text, nil
		case err != nil:
			return Auto, err
		}
	}
}

// formatOfStart returns Auto if start is too short to decide.
func formatOfStart(start []byte) Format {
	for {
		start = bytes.TrimLeft(start, blanks+"\n")
		if len(start) == 0 {
			return Auto
		}
		if start[0] == '{' {
			return JSONL
		}
		if start[0] == '[' {
			switch list, known := opensList(start); {
			case list:
				return JSONL
			case !known:
				return Auto
			}
		}
		if start[0] != '#' {
			return Text
		}
		end := bytes.IndexByte(start, '\n')
		if end < 0 {
			return Auto
		}
		start = start[end:]
	}
}

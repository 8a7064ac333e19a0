package prompt

import (
	"bufio"
	"bytes"
	"io"
	"path/filepath"
	"strings"
)

// Format is how an input is to be read.
type Format int

// The formats of an input.
const (
	Auto   Format = iota // decided by the first line that is neither blank nor a comment
	JSONL                // a JSON object on each line; lines that start with # are comments
	Text                 // a prompt on each line, taken as it stands
	CSV                  // a header that names the columns, then a record for each row, as RFC 4180 has it
	TSV                  // the same with tabs for commas
	Folder               // each file is a row: its text, or its image
)

// String names the format.
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
	default:
		return "auto"
	}
}

// FormatOf tells the format of a file from its name, below .gz and .zst.
func FormatOf(path string) Format {
	path = path[:len(path)-len(compression(path))]
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

// sniff tells the format from what comes next, without consuming it. It never waits for more input than the decision
// takes, so that a slow pipe is answered at its first line. Where nothing but blank lines and comments fills in's
// buffer, or the whole input, it is text: as JSONL these lines would be no rows and vanish.
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

// formatOfStart is Auto as long as start does not tell.
func formatOfStart(start []byte) Format {
	for {
		start = bytes.TrimLeft(start, blanks+"\n")
		if len(start) == 0 {
			return Auto
		}
		if start[0] == '{' {
			return JSONL
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

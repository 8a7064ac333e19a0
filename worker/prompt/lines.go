package prompt

import (
	"bufio"
	"bytes"
	"io"
)

// blanks are the blank characters. A line with no others is not a row. The line feed is not among them.
const blanks = " \t\r\v\f"

// blank is the first character of a blank line.
const blank = ' '

// bom is the byte order mark, with which some programs begin a file in UTF-8. It is no part of the first row.
var bom = []byte("\xef\xbb\xbf")

// keptBuffer is the largest size in bytes of a buffer that is kept for the next line.
const keptBuffer = 1 << 20

// line is the part of the input that is one row: a line, a record of a table, or a file.
type line struct {
	number  int64  // line number from 1
	text    []byte // for a file, set only after the file was loaded
	size    int64  // size in bytes without the line end
	tooLong bool   // text is empty then; only the hash of the content is known
	sum     digest

	// Of a record: the cells, and the error if the record is invalid.
	cells  []string
	rowErr *rowError
}

// lineReader returns the lines of an input that are rows.
type lineReader struct {
	in       *bufio.Reader
	limit    int
	comments bool // skip lines that start with #
	number   int64
	buffer   []byte
	hasher   *hasher
}

// next returns the next line that is a row. Its text is valid until the next call. At the end of the input it returns
// io.EOF; it does not return a line that an error cut off.
func (r *lineReader) next() (line, error) {
	for {
		l, first, err := r.read()
		if err != nil {
			return line{}, err
		}
		if first == blank || first == '#' && r.comments {
			continue
		}
		return l, nil
	}
}

// read reads the next line of any kind. first is the first character that is not a blank, or blank.
func (r *lineReader) read() (l line, first byte, err error) {
	r.number++
	text, err := r.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		// The line is longer than the buffer, so copy it. Never keep more than the limit and a line end.
		if cap(r.buffer) > keptBuffer {
			r.buffer = nil
		}
		r.buffer = r.buffer[:0]
		for err == bufio.ErrBufferFull {
			r.buffer = append(r.buffer, text...)
			if len(r.buffer) > r.limit+len("\r\n") {
				return r.skip()
			}
			text, err = r.in.ReadSlice('\n')
		}
		r.buffer = append(r.buffer, text...)
		text = r.buffer
	}
	if err != nil && (err != io.EOF || len(text) == 0) {
		return line{}, blank, err
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	text = bytes.TrimSuffix(text, []byte("\r"))
	text = bytes.TrimPrefix(text, bom) // of the file, or of a file that cat put behind another
	l = line{number: r.number, text: text, size: int64(len(text))}
	if len(text) > r.limit {
		l.text, l.tooLong, l.sum = nil, true, r.hasher.content(text)
	}
	return l, firstOf(text), nil
}

// skip reads the rest of a line without keeping it; r.buffer holds the start of the line.
func (r *lineReader) skip() (l line, first byte, err error) {
	long := longLine{hasher: r.hasher, first: blank}
	r.hasher.start(domainContent)
	long.write(r.buffer)
	r.buffer = nil
	for {
		text, err := r.in.ReadSlice('\n')
		long.write(bytes.TrimSuffix(text, []byte("\n")))
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && err != io.EOF {
			return line{}, blank, err
		}
		return line{number: r.number, size: long.size, tooLong: true, sum: r.hasher.sum()}, long.first, nil
	}
}

// longLine hashes a line that comes in pieces.
type longLine struct {
	hasher *hasher
	size   int64
	first  byte
	heldCR bool // a carriage return at the end of the last piece; part of the line end if nothing follows
}

func (l *longLine) write(piece []byte) {
	if len(piece) == 0 {
		return
	}
	if l.heldCR {
		l.hasher.raw([]byte("\r"))
		l.size++
	}
	if l.heldCR = piece[len(piece)-1] == '\r'; l.heldCR {
		piece = piece[:len(piece)-1]
	}
	l.hasher.raw(piece)
	l.size += int64(len(piece))
	if l.first == blank {
		l.first = firstOf(piece)
	}
}

func (r *lineReader) position() int64 { return r.number }

func firstOf(text []byte) byte {
	text = bytes.TrimLeft(text, blanks)
	if len(text) == 0 {
		return blank
	}
	return text[0]
}

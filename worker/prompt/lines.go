package prompt

import (
	"bufio"
	"bytes"
	"io"
)

// blanks are the characters that make no row of a line that has no others. The line end itself is not among them.
const blanks = " \t\r\v\f"

// blank stands for the first character of a line that has none but blanks.
const blank = ' '

// keptBuffer is how large a buffer may be and still be kept for the next line.
const keptBuffer = 1 << 20

// line is what of the input is a row: a line, a record of a table, or a file.
type line struct {
	number  int64  // from 1
	text    []byte // of a file only where it is known
	size    int64  // without the line end
	tooLong bool   // then text is empty, and of the content only its sum is known
	sum     digest

	// Of a record: its cells, and why it is none.
	cells []string
	flaw  *problem
}

// lineReader splits an input into the lines that are rows.
type lineReader struct {
	in       *bufio.Reader
	limit    int
	comments bool // lines that start with # are no rows
	number   int64
	buffer   []byte
	hasher   *hasher
}

// next returns the next line that is a row. Its text is valid until the following call. At the end of the input it
// returns io.EOF; a line that an error cut off is not returned.
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

// read reads one line of any kind. first is its first character that is not a blank, or blank.
func (r *lineReader) read() (l line, first byte, err error) {
	r.number++
	text, err := r.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		// A long line, so it has to be copied. More than its limit and a line end is never kept.
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
	l = line{number: r.number, text: text, size: int64(len(text))}
	if len(text) > r.limit {
		l.text, l.tooLong, l.sum = nil, true, r.hasher.content(text)
	}
	return l, firstOf(text), nil
}

// skip reads the rest of a line of which r.buffer holds the start, without keeping it.
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

// longLine takes in a line piece by piece.
type longLine struct {
	hasher *hasher
	size   int64
	first  byte
	heldCR bool // a carriage return that is the line end's, should nothing follow
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

func firstOf(text []byte) byte {
	text = bytes.TrimLeft(text, blanks)
	if len(text) == 0 {
		return blank
	}
	return text[0]
}

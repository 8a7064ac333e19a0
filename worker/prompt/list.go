package prompt

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// splitter splits an input into lines or other pieces, each of which is one row.
type splitter interface {
	next() (line, error)
	position() int64
}

// listReader returns the elements of a JSON list, which may be as large as the disk. An element's number is its position in the
// list, from 1, because several elements may be on one line.
type listReader struct {
	in     *bufio.Reader
	limit  int // limit of an element in bytes
	hasher *hasher

	number  int64
	begun   bool
	ended   bool
	element []byte
	compact bytes.Buffer
}

// errListEnd means that the list is cut off. The elements before are whole.
var errListEnd = errors.New("the JSON list has no ] at its end: is the file complete?")

// next returns the next element; its text is valid until the next call, and has no blanks between its parts, so that the form
// of the file does not matter.
func (r *listReader) next() (line, error) {
	more, err := r.separator()
	if err != nil {
		return line{}, err
	}
	if !more {
		return line{}, io.EOF
	}
	r.number++
	return r.read()
}

// separator reads what is before an element. more is false at the end of the list.
func (r *listReader) separator() (more bool, err error) {
	if r.ended {
		return false, nil
	}
	c, err := r.mark()
	if err == nil && !r.begun { // the opening bracket, which has decided that this is a list
		r.begun = true
		if c, err = r.mark(); err == nil && c != ']' {
			return true, r.in.UnreadByte()
		}
	}
	switch {
	case err == io.EOF:
		return false, errListEnd
	case err != nil:
		return false, err
	case c == ']':
		r.ended = true
		if _, err := r.mark(); err == nil {
			return false, errors.New("there is more behind the ] of the JSON list; name a file with one list, or with one object for each line")
		} else if err != io.EOF {
			return false, err
		}
		return false, nil
	case c != ',':
		return false, errors.New("the elements of the JSON list are not separated by commas")
	}
	if c, err = r.mark(); err != nil {
		return false, errListEnd
	}
	if c == ']' {
		return false, errors.New("the JSON list has a comma behind its last element")
	}
	return true, r.in.UnreadByte()
}

// mark returns the next character that is not a blank.
func (r *listReader) mark() (byte, error) {
	for {
		c, err := r.in.ReadByte()
		if err != nil || c != '\n' && bytes.IndexByte([]byte(blanks), c) < 0 {
			return c, err
		}
	}
}

// read reads an element.
func (r *listReader) read() (line, error) {
	if cap(r.element) > keptBuffer {
		r.element = nil
	}
	r.element = r.element[:0]
	var long *longLine // of an element above the limit
	depth, quoted, escaped := 0, false, false
	for {
		c, err := r.in.ReadByte()
		if err == io.EOF {
			return line{}, errListEnd
		}
		if err != nil {
			return line{}, err
		}
		ended := false
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
			ended = !quoted && depth == 0
		case c == '"':
			quoted = true
		case c == '{', c == '[':
			depth++
		case depth > 0 && (c == '}' || c == ']'):
			depth--
			ended = depth == 0
		case depth == 0 && (c == ',' || c == ']' || c == '}'): // behind a number or a word
			if err := r.in.UnreadByte(); err != nil {
				return line{}, err
			}
			return r.emit(long), nil
		}
		r.element = append(r.element, c)
		if len(r.element) > r.limit+keptBuffer || long != nil && len(r.element) > keptBuffer {
			if long == nil {
				long = &longLine{hasher: r.hasher, first: blank}
				r.hasher.start(domainContent)
			}
			long.write(r.element)
			r.element = r.element[:0]
		}
		if ended {
			return r.emit(long), nil
		}
	}
}

// emit returns the element that was read. An element that is no valid JSON stays as it is.
func (r *listReader) emit(long *longLine) line {
	if long != nil {
		long.write(r.element)
		return line{number: r.number, size: long.size, tooLong: true, sum: r.hasher.sum()}
	}
	text := bytes.Trim(r.element, blanks+"\n")
	r.compact.Reset()
	if json.Compact(&r.compact, text) == nil {
		text = r.compact.Bytes()
	}
	if len(text) > r.limit {
		return line{number: r.number, size: int64(len(text)), tooLong: true, sum: r.hasher.content(text)}
	}
	return line{number: r.number, text: text, size: int64(len(text))}
}

func (r *listReader) position() int64 { return r.number }

package prompt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// recordReader splits a table into records: lines, except for quoted line ends. encoding/csv alone is not enough: after
// a quote that is never closed it keeps the rest of the input in memory and then loses it.
//
// A record with wrong quotes consists of its first line only, and the next line begins another record. So a quote never
// removes other lines. The search for the end of a quote reads each byte at most twice, because the quote that reveals
// the mistake is the next one from which a search could start.
type recordReader struct {
	in     io.Reader
	name   string // the input's name, for messages
	comma  byte
	limit  int // limit of a record in bytes
	window int // number of bytes within which a quote must end
	hasher *hasher

	buffer     []byte
	start, end int   // range of the bytes that are read but not yet returned
	err        error // the error that ended the reading of in
	number     int64 // number of lines returned or skipped
}

// quoteWindow is the minimum of window. Longer rows may have longer quotes. If the row limit is shorter, a record above
// the limit still counts as one record.
const quoteWindow = DefaultMaxRowBytes

// readAtOnce is the minimum size of a read in bytes.
const readAtOnce = 64 << 10

// errNoLineEnd means that a line does not end within the window.
var errNoLineEnd = errors.New("no line end")

// next returns the next record; its text is valid until the next call. The text has no line end; quoted parts are
// unchanged. rowErr is set if the quotes are wrong. next skips empty lines.
func (r *recordReader) next() (line, error) {
	for {
		l, err := r.read()
		if err != nil || l.size > 0 {
			return l, err
		}
	}
}

func (r *recordReader) read() (line, error) {
	firstEnd, second := 0, 0 // the end of the first line, and the start of the second
	quoted := false
	for at, lines := 0, int64(1); ; lines++ {
		end, next, err := r.lineEnd(at)
		switch {
		case err == errNoLineEnd && lines == 1:
			return r.skip()
		case err == errNoLineEnd:
			return r.emit(firstEnd, second, 1, rowErrorf(CodeInvalidRecord, "",
				"%s opens a quote that is not closed within %d bytes%s", r.rowAt(r.number+1), r.window, separateRows)), nil
		case err == io.EOF && lines > 1:
			return r.emit(firstEnd, second, 1, rowErrorf(CodeInvalidRecord, "",
				"%s opens a quote that is never closed%s", r.rowAt(r.number+1), separateRows)), nil
		case err != nil:
			return line{}, err
		}
		if lines == 1 {
			firstEnd, second = end, next
		}
		wrong := 0
		if quoted, wrong = scanQuotes(r.unread()[at:end], r.comma, quoted); wrong > 0 {
			return r.emit(firstEnd, second, 1, r.badQuote(lines, wrong)), nil
		}
		if !quoted {
			return r.emit(end, next, lines, nil), nil
		}
		at = next
	}
}

// badQuote returns the error of a record with a misplaced quote at byte at of its line number lines.
func (r *recordReader) badQuote(lines int64, at int) *rowError {
	if lines > 1 {
		return rowErrorf(CodeInvalidRecord, "", "%s opens a quote, but the next quote is in the middle of a field, at byte %d of line %d%s",
			r.rowAt(r.number+1), at, r.number+lines, separateRows)
	}
	return rowErrorf(CodeInvalidRecord, "", "%s has a bad quote at byte %d: a field with a quote in it must be quoted, and the quote doubled",
		r.rowAt(r.number+1), at)
}

// separateRows says what happens to the lines that a bad quote would have included.
const separateRows = "; the following lines are read as separate rows"

// rowAt names a row in a message.
func (r *recordReader) rowAt(number int64) string {
	return fmt.Sprintf("the row at %s:%d", r.name, number)
}

func (r *recordReader) unread() []byte { return r.buffer[r.start:r.end] }

// emit returns the unread bytes up to end as a record of the given number of lines, and continues at next.
func (r *recordReader) emit(end, next int, lines int64, rowErr *rowError) line {
	text := r.unread()[:end]
	l := line{number: r.number + 1, text: text, size: int64(len(text)), rowErr: rowErr}
	if len(text) > r.limit {
		l.text, l.tooLong, l.sum = nil, true, r.hasher.content(text)
	}
	r.start += next
	r.number += lines
	return l
}

// skip skips a line that is longer than the window.
func (r *recordReader) skip() (line, error) {
	long := longLine{hasher: r.hasher, first: blank}
	r.hasher.start(domainContent)
	for {
		piece := r.unread()
		ended := bytes.IndexByte(piece, '\n')
		if ended >= 0 {
			piece = piece[:ended]
			r.start++
		}
		long.write(piece)
		r.start += len(piece)
		var err error
		if ended < 0 {
			if err = r.fill(); err == nil {
				continue
			}
		}
		if err != nil && err != io.EOF {
			return line{}, err
		}
		r.number++
		return line{number: r.number, size: long.size, tooLong: true, sum: r.hasher.sum()}, nil
	}
}

// lineEnd returns the end of the line that begins at from, without its line end, and the start of the next line.
// Positions are relative to the unread bytes. It returns io.EOF at the end of the input. Whether a line fits the window
// does not depend on the sizes of the reads.
func (r *recordReader) lineEnd(from int) (end, next int, err error) {
	for searched := from; ; {
		if i := bytes.IndexByte(r.unread()[searched:], '\n'); i >= 0 {
			end, next = searched+i, searched+i+1
			break
		}
		if searched = r.end - r.start; searched > r.window {
			break
		}
		if err := r.fill(); err == io.EOF && searched > from {
			end, next = searched, searched
			break
		} else if err != nil {
			return 0, 0, err
		}
	}
	if next == 0 || end > r.window {
		return 0, 0, errNoLineEnd
	}
	if end > from && r.unread()[end-1] == '\r' {
		end--
	}
	return end, next, nil
}

// fill reads more of the input.
func (r *recordReader) fill() error {
	if r.err != nil {
		return r.err
	}
	if r.start == r.end && len(r.buffer) > keptBuffer {
		r.buffer, r.start, r.end = nil, 0, 0
	}
	if r.start > 0 {
		r.end = copy(r.buffer, r.unread())
		r.start = 0
	}
	if r.end == len(r.buffer) {
		larger := make([]byte, max(readAtOnce, min(2*len(r.buffer), r.window+readAtOnce)))
		copy(larger, r.buffer[:r.end])
		r.buffer = larger
	}
	for range 100 {
		n, err := r.in.Read(r.buffer[r.end:])
		r.end += n
		r.err = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	r.err = io.ErrNoProgress
	return r.err
}

// dropBOM skips a byte order mark at the start.
func (r *recordReader) dropBOM() error {
	for r.end-r.start < len(bom) {
		if err := r.fill(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if bytes.HasPrefix(r.unread(), bom) {
		r.start += len(bom)
	}
	return nil
}

// scanQuotes follows the quotes of one line, as in RFC 4180. quoted says whether a quote is open at the start of the
// line; open says the same for its end. wrong is the position of a misplaced quote in bytes from 1, or 0.
func scanQuotes(text []byte, comma byte, quoted bool) (open bool, wrong int) {
	for at := 0; ; {
		if !quoted {
			field := text[at:]
			if len(field) > 0 && field[0] == '"' {
				at, quoted = at+1, true
				continue
			}
			end := bytes.IndexByte(field, comma)
			if end < 0 {
				end = len(field)
			}
			if i := bytes.IndexByte(field[:end], '"'); i >= 0 {
				return false, at + i + 1
			}
			if at += end + 1; at > len(text) {
				return false, 0
			}
			continue
		}
		i := bytes.IndexByte(text[at:], '"')
		if i < 0 {
			return true, 0
		}
		switch at += i + 1; {
		case at == len(text):
			return false, 0
		case text[at] == '"': // a doubled quote is part of the field
			at++
		case text[at] == comma:
			at, quoted = at+1, false
		default:
			return false, at
		}
	}
}

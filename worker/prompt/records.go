package prompt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// recordReader splits a table into records, which are lines but for quoted line ends. encoding/csv alone would not do: it
// keeps in memory what follows a quote that nobody closes, to the end of the input, and gives all of it up for lost.
//
// A record whose quotes do not work out is its first line alone, and the next line begins another record. So no quote
// takes away what other lines hold. To look for the end of a quote costs each byte two looks at most, since the quote that
// shows the mistake is the next one from where another search could begin.
type recordReader struct {
	in     io.Reader
	name   string // of the input, for messages
	comma  byte
	limit  int // bytes of a record
	window int // bytes in which a quote must end
	hasher *hasher

	buffer     []byte
	start, end int   // of what was read and not handed out
	err        error // what ended the reading of in
	number     int64 // lines that were handed out or passed over
}

// quoteWindow is the least window. Where rows may be longer, so may quotes; where they must be shorter, a record that is too
// long is one record all the same.
const quoteWindow = DefaultMaxRowBytes

// readAtOnce is how much is read at least when there is room.
const readAtOnce = 64 << 10

// errNoLineEnd is a line that does not end within the window.
var errNoLineEnd = errors.New("no line end")

// next returns the next record; its text is valid until the following call. It is without a line end, but what it quotes
// is as it stands. A flaw is set where it is no record by its quotes. Empty lines are none.
func (r *recordReader) next() (line, error) {
	for {
		l, err := r.read()
		if err != nil || l.size > 0 {
			return l, err
		}
	}
}

func (r *recordReader) read() (line, error) {
	firstEnd, second := 0, 0 // where the first line ends and the second begins
	quoted := false
	for at, lines := 0, int64(1); ; lines++ {
		end, next, err := r.lineEnd(at)
		switch {
		case err == errNoLineEnd && lines == 1:
			return r.skip()
		case err == errNoLineEnd:
			return r.take(firstEnd, second, 1, problemf(CodeInvalidRecord, "",
				"%s opens a quote that is not closed within %d bytes%s", r.place(r.number+1), r.window, rowsOfTheirOwn)), nil
		case err == io.EOF && lines > 1:
			return r.take(firstEnd, second, 1, problemf(CodeInvalidRecord, "",
				"%s opens a quote that nothing closes%s", r.place(r.number+1), rowsOfTheirOwn)), nil
		case err != nil:
			return line{}, err
		}
		if lines == 1 {
			firstEnd, second = end, next
		}
		wrong := 0
		if quoted, wrong = scanQuotes(r.unread()[at:end], r.comma, quoted); wrong > 0 {
			return r.take(firstEnd, second, 1, r.badQuote(lines, wrong)), nil
		}
		if !quoted {
			return r.take(end, next, lines, nil), nil
		}
		at = next
	}
}

// badQuote is the flaw of a record in one of whose lines a quote is out of place.
func (r *recordReader) badQuote(lines int64, at int) *problem {
	if lines > 1 {
		return problemf(CodeInvalidRecord, "", "%s opens a quote whose next is in the middle of a field, at byte %d of line %d%s",
			r.place(r.number+1), at, r.number+lines, rowsOfTheirOwn)
	}
	return problemf(CodeInvalidRecord, "", "%s has a bad quote at byte %d: a field with a quote in it must be quoted, and the quote doubled",
		r.place(r.number+1), at)
}

// rowsOfTheirOwn tells what becomes of the lines that a bad quote would have taken in.
const rowsOfTheirOwn = "; the lines that follow are taken as rows of their own"

// place is a row for a message.
func (r *recordReader) place(number int64) string {
	return fmt.Sprintf("the row at %s:%d", r.name, number)
}

func (r *recordReader) unread() []byte { return r.buffer[r.start:r.end] }

// take hands out what is unread up to a place, as a record of so many lines, and goes on at next.
func (r *recordReader) take(end, next int, lines int64, flaw *problem) line {
	text := r.unread()[:end]
	l := line{number: r.number + 1, text: text, size: int64(len(text)), flaw: flaw}
	if len(text) > r.limit {
		l.text, l.tooLong, l.sum = nil, true, r.hasher.content(text)
	}
	r.start += next
	r.number += lines
	return l
}

// skip passes over a line that the window does not hold.
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

// lineEnd finds where the line ends that begins at a place of what is unread, without its line end, and where the next
// one begins. At the end of the input it is io.EOF. How the input comes makes no difference to whether it is within the
// window.
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

// dropMark passes over a byte order mark at the start.
func (r *recordReader) dropMark() error {
	const mark = "\xef\xbb\xbf"
	for r.end-r.start < len(mark) {
		if err := r.fill(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if bytes.HasPrefix(r.unread(), []byte(mark)) {
		r.start += len(mark)
	}
	return nil
}

// scanQuotes follows the quotes of one line, as RFC 4180 has them: quoted tells whether one is open where the line begins,
// and is returned for where it ends. wrong is the number of the byte where a quote is out of place, 0 where none is.
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
		case text[at] == '"': // doubled, so it is one of the field's own
			at++
		case text[at] == comma:
			at, quoted = at+1, false
		default:
			return false, at
		}
	}
}

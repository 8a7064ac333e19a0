package prompt

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// DefaultMaxRowBytes is how long a row may be unless Options says otherwise.
const DefaultMaxRowBytes = 64 << 20

// Options says how an input is to be read.
type Options struct {
	// Name is what errors call the input; "input" if empty.
	Name string
	// Format is how to read the lines.
	Format Format
	// MaxRowBytes is how long a row may be, without its line end, and how large all the files with images that it names;
	// DefaultMaxRowBytes if it is not positive.
	MaxRowBytes int
	// Shard and Shards pick each row whose index modulo Shards is Shard; Shards 0 picks all. The others are read for their
	// names alone: which rows are whose, and what they are called, does not depend on the split.
	Shard, Shards int64
	// KeepFirst leaves out each row whose custom_id an earlier row has. Without it such a row is one, with a Reject.
	KeepFirst bool
	// NamesOnly hands the rows out under their names alone: without a Request, with only the name's half of the Key, and with
	// no Reject but for a custom_id that is taken. So whoever only wants to know the rows again needs no Defaults.
	NamesOnly bool
	// Defaults is what rows leave open. It must not be changed as long as the Reader is used.
	Defaults Defaults
}

// Reader reads the rows of an input. It is for one goroutine.
type Reader struct {
	name    string
	format  Format
	lines   lineReader
	decoder decoder
	names   names
	index   int64
	shard   int64
	shards  int64
	first   bool // KeepFirst
	bare    bool // NamesOnly
	leftOut int64
	begun   bool
	last    line   // the row that Next returned last, for Input
	lastID  string // and its name
	err     error  // what ended the reading
}

// NewReader makes a Reader of the decompressed input r. It reads nothing yet.
func NewReader(r io.Reader, o Options) *Reader {
	if o.Name == "" {
		o.Name = "input"
	}
	if o.MaxRowBytes <= 0 {
		o.MaxRowBytes = DefaultMaxRowBytes
	}
	in, h := bufio.NewReaderSize(r, 64<<10), newHasher()
	return &Reader{
		name:    o.Name,
		format:  o.Format,
		shard:   o.Shard,
		shards:  max(1, o.Shards),
		first:   o.KeepFirst,
		bare:    o.NamesOnly,
		lines:   lineReader{in: in, limit: o.MaxRowBytes, hasher: h},
		decoder: decoder{defaults: o.Defaults, limit: o.MaxRowBytes},
		names:   newNames(h),
	}
}

// Next returns the next row, also one that cannot be asked. It returns io.EOF after the last one, and another error
// only where the input cannot be read on; either is returned from then on.
func (r *Reader) Next() (Row, error) {
	if r.err != nil {
		return Row{}, r.err
	}
	if !r.begun {
		if err := r.begin(); err != nil {
			return r.fail(1, err)
		}
	}
	for {
		l, err := r.lines.next()
		if err != nil {
			return r.fail(r.lines.number, err)
		}
		mine := r.index%r.shards == r.shard
		row, err := r.row(&l, mine && !r.bare)
		if err != nil {
			return r.fail(l.number, err)
		}
		if !mine {
			continue
		}
		if r.first && row.Reject != nil && row.Reject.Code == CodeDuplicateCustomID {
			r.leftOut++
			continue
		}
		r.last, r.lastID = l, row.CustomID
		return row, nil
	}
}

// row makes a row of its line, or, where it is not wanted, gives it its name alone.
func (r *Reader) row(l *line, wanted bool) (Row, error) {
	row := Row{Index: r.index, Line: l.number}
	r.index++
	var id string
	var p *problem
	switch {
	case !wanted:
		if !l.tooLong && r.format != Text {
			_, id, _ = objectOf(l.text)
		}
	case l.tooLong:
		p = problemf(CodeTooLarge, "", "the row is %d bytes long, above the limit of %d; raise it with --max-row-bytes, into another --output", l.size, r.lines.limit)
	case r.format == Text:
		row.Request, p = r.decoder.textLine(l.text)
	default:
		row.Request, id, p = r.decoder.jsonLine(l.text)
	}
	if p != nil && p.broken != nil {
		return Row{}, p.broken
	}
	if p != nil {
		row.Reject = p.reject()
	}
	r.names.assign(&row, id, l, wanted)
	return row, nil
}

// Seen is how many rows the input has up to here, those of other shards and those left out included.
func (r *Reader) Seen() int64 { return r.index }

// LeftOut is how many rows KeepFirst has left out so far.
func (r *Reader) LeftOut() int64 { return r.leftOut }

// Buffered is how many bytes the Reader has taken from its input beyond the row that Next returned last.
func (r *Reader) Buffered() int { return r.lines.in.Buffered() }

// begin drops a byte order mark and settles the format.
func (r *Reader) begin() error {
	const mark = "\xef\xbb\xbf"
	start, err := r.lines.in.Peek(len(mark))
	if err != nil && err != io.EOF {
		return err
	}
	if bytes.HasPrefix(start, []byte(mark)) {
		if _, err := r.lines.in.Discard(len(mark)); err != nil {
			return err
		}
	}
	if r.format == Auto {
		if r.format, err = sniff(r.lines.in); err != nil {
			return err
		}
	}
	r.lines.comments = r.format == JSONL
	r.begun = true
	return nil
}

func (r *Reader) fail(line int64, err error) (Row, error) {
	// Only the bare io.EOF is the end. A decompressor's io.ErrUnexpectedEOF, for one, is not.
	if r.err = err; err != io.EOF {
		r.err = fmt.Errorf("read %s, line %d: %w", r.name, line, err)
	}
	return Row{}, r.err
}

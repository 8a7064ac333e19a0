package prompt

import (
	"fmt"
	"io"
)

// DefaultMaxRowBytes is how long a row may be unless Options says otherwise.
const DefaultMaxRowBytes = 64 << 20

// Options says how an input is to be read.
type Options struct {
	// Name is what errors call the input; "input" if empty, and an opened Source's path.
	Name string
	// Format is how to read the input; for a Source its name tells.
	Format Format
	// Layout is where tables and folders have their prompts.
	Layout Layout
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
	unit    string // what errors call a place in the input
	form    form
	limit   int
	layout  Layout
	names   names
	line    line // the one that was read last; here, so that none is allocated
	index   int64
	shard   int64
	shards  int64
	first   bool // KeepFirst
	bare    bool // NamesOnly
	leftOut int64
	lastID  string // of the row that Next returned last, for Input
	err     error  // what ended the reading
}

// form is how the rows of a kind of input are read.
type form interface {
	// next returns what is the next row; it is valid until the following call. At the end of the input it is io.EOF.
	next() (line, error)
	// name is a row's custom_id, empty where it has none or where it cannot be read. The row is not too long.
	name(l *line) string
	// request makes the request of a row that is not too long, and tells its custom_id.
	request(l *line) (r Request, id string, p *problem)
	// input is the row that next returned last as a JSON object, or nil; see Reader.Input.
	input(l *line, id string) []byte
	// at is the number of the line that was read last, or was to be read.
	at() int64
	// buffered is how many bytes were read beyond the row that next returned last.
	buffered() int
}

// NewReader makes a Reader of the decompressed input r, lines of JSONL or text. It reads nothing yet.
func NewReader(r io.Reader, o Options) *Reader {
	h := newHasher()
	o.complete()
	d := &decoder{defaults: o.Defaults, limit: o.MaxRowBytes}
	return newReader(newLines(r, o, h, d), o, h)
}

// complete puts in what is left open.
func (o *Options) complete() {
	if o.Name == "" {
		o.Name = "input"
	}
	if o.MaxRowBytes <= 0 {
		o.MaxRowBytes = DefaultMaxRowBytes
	}
}

func newReader(f form, o Options, h *hasher) *Reader {
	return &Reader{
		name:   o.Name,
		unit:   "line",
		form:   f,
		limit:  o.MaxRowBytes,
		layout: o.Layout,
		shard:  o.Shard,
		shards: max(1, o.Shards),
		first:  o.KeepFirst,
		bare:   o.NamesOnly,
		names:  newNames(h),
	}
}

// Next returns the next row, also one that cannot be asked. It returns io.EOF after the last one, and another error
// only where the input cannot be read on; either is returned from then on.
func (r *Reader) Next() (Row, error) {
	if r.err != nil {
		return Row{}, r.err
	}
	for {
		var err error
		if r.line, err = r.form.next(); err != nil {
			return r.fail(r.form.at(), err)
		}
		mine := r.index%r.shards == r.shard
		row, err := r.row(&r.line, mine && !r.bare)
		if err != nil {
			return r.fail(r.line.number, err)
		}
		if !mine {
			continue
		}
		if r.first && row.Reject != nil && row.Reject.Code == CodeDuplicateCustomID {
			r.leftOut++
			continue
		}
		r.lastID = row.CustomID
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
		if !l.tooLong {
			id = r.form.name(l)
		}
	case l.tooLong:
		p = problemf(CodeTooLarge, "", "the row is %d bytes long, above the limit of %d; raise it with --max-row-bytes, into another --output", l.size, r.limit)
	default:
		row.Request, id, p = r.form.request(l)
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

// TakenForText tells, from the first row on, whether the rows are taken for lines of text because the first is no JSON: neither
// the input's name nor the options say what they are.
func (r *Reader) TakenForText() bool {
	l, ok := r.form.(*lines)
	return ok && l.guessed && l.format == Text
}

// Buffered is how many bytes the Reader has taken from its input beyond the row that Next returned last.
func (r *Reader) Buffered() int { return r.form.buffered() }

// Layout is the Options' Layout with the columns that it left open.
func (r *Reader) Layout() Layout { return r.layout }

func (r *Reader) fail(line int64, err error) (Row, error) {
	// Only the bare io.EOF is the end. A decompressor's io.ErrUnexpectedEOF, for one, is not.
	if r.err = err; err != io.EOF {
		r.err = fmt.Errorf("read %s, %s %d: %w", r.name, r.unit, line, err)
	}
	return Row{}, r.err
}

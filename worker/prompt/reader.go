package prompt

import (
	"fmt"
	"io"
)

// DefaultMaxRowBytes is the default of Options.MaxRowBytes.
const DefaultMaxRowBytes = 64 << 20

// Options says how to read an input.
type Options struct {
	// Name is the input's name in errors. The default is "input"; a Source uses its path.
	Name string
	// Format is the format of the input. A Source takes it from its file name.
	Format Format
	// Layout says where tables and folders have their prompts.
	Layout Layout
	// MaxRowBytes is the maximum size in bytes of a row without its line end, and of all image files that a row names,
	// together. The default, for 0 and negative values, is DefaultMaxRowBytes.
	MaxRowBytes int
	// Shards and Shard select the rows of one shard; the zero Shards selects all rows. The Reader reads the names of the
	// other rows, too, so the assignment and the names of rows do not depend on the split.
	Shards Shards
	Shard  int64
	// Limit is the largest number of rows that Next returns; 0 is no limit. Select, if it is not nil, says whether to return the row
	// with an Index. The Reader reads the names of other rows, too.
	Limit  int64
	Select func(index int64) bool
	// KeepFirst skips each row whose custom_id an earlier row has. Without KeepFirst such a row has a Reject.
	KeepFirst bool
	// NamesOnly returns rows with their names only: without a Request, with only the name's half of the Key, and with a
	// Reject only for a custom_id in use. It serves callers that only identify rows; they need no Defaults.
	NamesOnly bool
	// Defaults holds the parts of requests that rows omit. Do not modify it while the Reader is in use.
	Defaults Defaults
}

// Reader reads the rows of an input. It is not safe for concurrent use.
type Reader struct {
	name       string
	form       form
	limit      int
	layout     Layout
	names      names
	line       line // the line that was read last; a field, so that reading allocates none
	index      int64
	shard      int64
	shards     Shards
	keepFirst  bool
	namesOnly  bool
	ownBodies  bool // see Defaults.OwnBodies
	skipped    int64
	left       int64 // rows up to the limit; -1 without a limit
	selected   func(index int64) bool
	unselected int64
	lastID     string // CustomID of the row that Next returned last, for Input
	err        error  // the error that ended the reading
}

// form reads the rows of one kind of input.
type form interface {
	// next returns the next row as a line, valid until the next call, or io.EOF at the end of the input.
	next() (line, error)
	// name returns a row's custom_id; empty if it is missing or unreadable. The row must not be too long.
	name(l *line) string
	// request returns the request and custom_id of a row that is not too long.
	request(l *line) (r Request, id string, p *rowError)
	// input returns the row that next returned last as a JSON object, or nil; see Reader.Input.
	input(l *line, id string) []byte
	// remarks returns what a user should know of how the input is read so far.
	remarks() []string
	// at returns the number of the current line, for errors.
	at() int64
	// unit names what at counts: lines, rows or files.
	unit() string
	// buffered returns how many bytes were read beyond the row that next returned last.
	buffered() int
}

// NewReader returns a Reader of JSONL, a JSON list or text. r must be decompressed. NewReader reads nothing yet. Next returns a
// *LayoutError for a Layout that is invalid or for text.
func NewReader(r io.Reader, o Options) *Reader {
	h := newHasher()
	o.complete()
	f, err := newForm(r, o, h, &decoder{defaults: o.Defaults, limit: o.MaxRowBytes})
	if err != nil {
		return &Reader{err: err}
	}
	return newReader(f, o, h)
}

// newForm returns the form of JSONL, a JSON list or text. The error is a *LayoutError.
func newForm(r io.Reader, o Options, h *hasher, d *decoder) (form, error) {
	if !o.Layout.ownColumns() {
		return newLines(r, o, h, d), nil
	}
	if o.Format == Text {
		return nil, o.Layout.errUnused(o.Name)
	}
	o.Format = JSONL
	return newObjects(newLines(r, o, h, d), o.Layout, o.NamesOnly)
}

// complete sets the defaults.
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
		name:      o.Name,
		form:      f,
		limit:     o.MaxRowBytes,
		layout:    o.Layout,
		shard:     o.Shard,
		shards:    o.Shards,
		keepFirst: o.KeepFirst,
		namesOnly: o.NamesOnly,
		ownBodies: o.Defaults.OwnBodies,
		left:      limitOf(o),
		selected:  o.Select,
		names:     newNames(h),
	}
}

// Next returns the next row, also a row with a Reject. It returns io.EOF after the last row, and another error only if
// the input cannot be read further. After an error, every call returns the same error.
func (r *Reader) Next() (Row, error) {
	if r.err != nil {
		return Row{}, r.err
	}
	if r.Limited() {
		return r.fail(r.form.at(), io.EOF)
	}
	for {
		var err error
		if r.line, err = r.form.next(); err != nil {
			return r.fail(r.form.at(), err)
		}
		mine := r.shards.Of(r.index) == r.shard
		if mine && r.selected != nil && !r.selected(r.index) {
			mine = false
			r.unselected++
		}
		row, err := r.row(&r.line, mine && !r.namesOnly)
		if err != nil {
			return r.fail(r.line.number, err)
		}
		if !mine {
			continue
		}
		if r.keepFirst && row.Reject != nil && row.Reject.Code == CodeDuplicateCustomID {
			r.skipped++
			continue
		}
		r.lastID = row.CustomID
		r.left--
		return row, nil
	}
}

// row decodes a line to a row. If wanted is false, it sets the name only.
func (r *Reader) row(l *line, wanted bool) (Row, error) {
	row := Row{Index: r.index, Line: l.number}
	r.index++
	var id string
	var p *rowError
	switch {
	case !wanted:
		if !l.tooLong {
			id = r.form.name(l)
		}
	case l.tooLong:
		p = rowErrorf(CodeTooLarge, "", "the row is %d bytes long, above the limit of %d; raise the limit with --max-row-bytes and use another --output", l.size, r.limit)
	default:
		row.Request, id, p = r.form.request(l)
	}
	if p != nil && p.ioErr != nil {
		return Row{}, p.ioErr
	}
	switch {
	case p != nil:
		row.Reject = p.reject()
	case wanted && r.ownBodies && row.Request.Body == nil:
		row.Request.makeBody()
	}
	r.names.assign(&row, id, l, wanted)
	return row, nil
}

// limitOf returns the number of rows up to the limit; -1 without a limit.
func limitOf(o Options) int64 {
	if o.Limit > 0 {
		return o.Limit
	}
	return -1
}

// Limited reports whether the Reader has returned as many rows as its limit allows.
func (r *Reader) Limited() bool { return r.left == 0 }

// Seen returns the number of rows read so far, including rows of other shards and skipped rows.
func (r *Reader) Seen() int64 { return r.index }

// Unselected returns the number of rows of the shard that Select has left out so far.
func (r *Reader) Unselected() int64 { return r.unselected }

// DuplicatesSkipped returns the number of rows that KeepFirst skipped so far.
func (r *Reader) DuplicatesSkipped() int64 { return r.skipped }

// Remarks returns what a user should know of how the input is read so far, such as that it is taken for text. The remarks on the
// first row stay; others follow them.
func (r *Reader) Remarks() []string { return r.form.remarks() }

// Buffered returns how many bytes the Reader has read from its input beyond the row that Next returned last.
func (r *Reader) Buffered() int { return r.form.buffered() }

// Layout returns the Layout of the Options, completed with the default columns in use.
func (r *Reader) Layout() Layout { return r.layout }

func (r *Reader) fail(line int64, err error) (Row, error) {
	// Only the bare io.EOF is the end of the input. A decompressor's io.ErrUnexpectedEOF, for example, is an error.
	if r.err = err; err != io.EOF {
		r.err = fmt.Errorf("read %s, %s %d: %w", r.name, r.form.unit(), line, err)
	}
	return Row{}, r.err
}

package result

import (
	"context"
	"errors"
	"fmt"
	"io"

	"fluxworker/worker/prompt"
)

// MergeOptions say what is brought together, and where.
type MergeOptions struct {
	Parts []Part
	// Split is into how many shards the rows are divided, for the counts of those that are missing; 0 where that is not
	// known.
	Split int
	// Rows returns the rows of the input in their order, then io.EOF. Only their names are looked at.
	Rows func() (prompt.Row, error)
	// To is where the lines go. Document is one file for all rows in place of it. Without either nothing is written, only
	// counted.
	To       *Paths
	Document *Document
	// Partial writes what there is although rows are missing.
	Partial bool
}

// Merged is the input against the lines of the parts.
type Merged struct {
	Rows     int64 // of the input
	Answered int64 // rows with an answer
	Failed   int64 // rows with a failure, and no answer
	// Missing counts the rows without a line, and Absent has the first of them.
	Missing int64
	Absent  []AbsentRow
	// MissingIn counts them by shard, with Split places; nil where the split is not known or nothing is missing.
	MissingIn []int64

	Strays     int64    // lines of rows that the input does not have
	StraysIn   []string // the files that they stand in
	Doubles    int64    // rows with more than one answer, of which the earlier shard's was taken
	DoubleIn   [2]string
	Superseded int64    // failures of rows that have another line, which was taken
	Damage     []Damage // what was passed over in the files
	Written    bool     // the lines are where they should go
}

// AbsentRow is a row without a line.
type AbsentRow struct {
	Line     int64 // of the input, from 1
	CustomID string
	Shard    Shard // zero where the split is not known
}

// named is how many of the missing rows are named.
const named = 10

// Merge looks up the line of every row and, where To says so, writes the lines in the order of the rows: answers to one
// file, failures to the other, both whole or not at all. The parts are only read, and runs may write to them meanwhile:
// what comes after the beginning of the merge is not in it.
//
// It takes 16 bytes of memory for each row, besides what Rows itself remembers. The Merged is valid without an error.
// Errors: a WriteError, that of Rows, the context's, or one of reading the parts.
func Merge(ctx context.Context, o MergeOptions) (Merged, error) {
	c, err := collect(ctx, o.Parts)
	if err != nil {
		return Merged{}, err
	}
	defer c.close()
	m := &merge{MergeOptions: o, collection: c, pages: newPages(c.open())}
	m.Doubles, m.Superseded, m.Damage = c.index.doubles, c.index.superseded, c.damage
	if m.Doubles > 0 {
		for i, s := range c.index.double {
			m.DoubleIn[i] = c.file(s).Name()
		}
	}
	for kind := range m.matched {
		m.matched[kind] = make([]int64, len(o.Parts))
	}
	if out, err := o.target(); err != nil {
		return Merged{}, err
	} else if out != nil {
		m.out = out
		defer out.discard()
	}
	m.inputs = newInputs(o.Document)
	if err := m.all(ctx); err != nil {
		return Merged{}, err
	}
	m.countStrays()
	if m.out != nil {
		if err := m.out.place(); err != nil {
			return Merged{}, err
		}
		m.Written = true
	}
	return m.Merged, nil
}

// merge is a Merge at work.
type merge struct {
	MergeOptions
	*collection
	Merged
	pages   *pages
	out     target // nil where nothing is written, or not any more
	inputs  *inputs
	matched [2][]int64 // lines taken of each file
}

// ahead is how many rows may be read before their lines are copied.
const ahead = 1024

// wanted is a row whose line is looked for.
type wanted struct {
	name     uint64
	index    int64
	line     int64
	customID string
	input    []byte // the row as JSON, where a document wants it
}

// all copies the lines of all rows while the next rows are being read.
func (m *merge) all(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, ended := make(chan wanted, ahead), make(chan error, 1)
	go func() {
		defer close(rows)
		ended <- m.read(ctx, rows)
	}()
	for row := range rows {
		err := m.copy(row)
		m.inputs.release(row.input)
		if err != nil {
			cancel()
			for range rows { // until the reader has seen it
			}
			return err
		}
	}
	return <-ended
}

// read hands over the rows until their end or the context's.
func (m *merge) read(ctx context.Context, rows chan<- wanted) error {
	for {
		row, err := m.MergeOptions.Rows()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		input, err := m.inputs.take(ctx)
		if err != nil {
			return err
		}
		select {
		case rows <- wanted{name: entryOf(row.Key).name, index: row.Index, line: row.Line, customID: row.CustomID, input: input}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// copy deals with one row.
func (m *merge) copy(row wanted) error {
	m.Merged.Rows++
	at, ok := m.index.find(row.name)
	if !ok {
		return m.miss(row)
	}
	kind := 0
	if at.failed() {
		kind = 1
		m.Failed++
	} else {
		m.Answered++
	}
	m.matched[kind][at.part()]++
	if m.out == nil {
		return nil
	}
	f := m.file(at)
	line, err := m.pages.lineAt(f, at.offset())
	if err != nil {
		return err
	}
	if name, err := nameOf(line); err != nil || name != row.name {
		return fmt.Errorf("read %s: it was changed in place while it was read; run the same command again", f.Name())
	}
	return m.out.write(kind, row, line)
}

// miss notes a row without a line. What was to be whole is given up then.
func (m *merge) miss(row wanted) error {
	m.Missing++
	if m.out != nil && !m.Partial {
		m.out.discard()
		m.out = nil
	}
	shard := Shard{}
	if m.Split > 0 {
		if m.MissingIn == nil {
			m.MissingIn = make([]int64, m.Split)
		}
		in := row.index % int64(m.Split)
		m.MissingIn[in]++
		if m.Split > 1 {
			shard = Shard{Index: int(in), Count: m.Split}
		}
	}
	if len(m.Absent) < named {
		m.Absent = append(m.Absent, AbsentRow{Line: row.line, CustomID: row.customID, Shard: shard})
	}
	if m.out == nil {
		return nil
	}
	return m.out.write(0, row, nil)
}

// countStrays finds the lines that no row has asked for: every row asks once.
func (m *merge) countStrays() {
	if m.Strays = m.index.len() - m.Answered - m.Failed; m.Strays == 0 {
		return
	}
	for _, segment := range m.index.segments {
		for _, e := range segment {
			kind := 0
			if spot(e.request).failed() {
				kind = 1
			}
			m.matched[kind][spot(e.request).part()]--
		}
	}
	for kind, counts := range m.matched {
		for part, n := range counts {
			if n < 0 {
				m.StraysIn = append(m.StraysIn, m.path(kind, part))
			}
		}
	}
}

// nameOf takes the name out of a line that was found whole before.
func nameOf(line []byte) (uint64, error) {
	if len(line) > idEnd {
		if key, err := keyAt(line); err == nil {
			return entryOf(key).name, nil
		}
	}
	key, err := keyOf(line)
	return entryOf(key).name, err
}

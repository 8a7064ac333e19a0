package result

import (
	"context"
	"errors"
	"fmt"
	"io"

	"fluxworker/worker/prompt"
)

// MergeOptions say which parts to merge, and where to write the result.
type MergeOptions struct {
	Parts []Part
	// Split says how the input is divided, for the counts of missing rows per shard; its Count is 0 if that is unknown.
	Split prompt.Shards
	// Rows returns the rows of the input in order, then io.EOF. Merge uses their names only.
	Rows func() (prompt.Row, error)
	// To receives the lines. Document, if set, receives all rows in one file instead. If both are nil, Merge only
	// counts.
	To       *Paths
	Document *Document
	// Partial allows writing although rows are missing.
	Partial bool
	// CheckNames counts the lines whose custom_id is not that of their row, also where nothing is written.
	CheckNames bool
}

// Merged compares the input with the lines of the parts.
type Merged struct {
	Rows     int64 // number of input rows
	Answered int64 // number of rows with an answer
	Failed   int64 // number of rows with a failure and no answer
	// Missing is the number of rows without a line. Absent holds the first of them.
	Missing int64
	Absent  []AbsentRow
	// MissingIn counts the missing rows per shard and has Split.Count elements; nil if the split is unknown or no row is
	// missing.
	MissingIn []int64

	// Renamed is the number of lines whose custom_id was not that of their row; the merge wrote the row's. RenamedLine is
	// the first of these rows, by its line of the input.
	Renamed     int64
	RenamedLine int64

	Strays     int64    // number of lines of rows that are not in the input
	StraysIn   []string // the files of these lines
	Doubles    int64    // number of rows with more than one answer; the answer of the earlier shard counts
	DoubleIn   [2]string
	Superseded int64    // number of failures of rows with another line, which counts instead
	Damage     []Damage // the invalid parts of the files, which were ignored
	Written    bool     // true if the result is at its final path
}

// AbsentRow is a row without a line.
type AbsentRow struct {
	Line     int64 // line of the input, from 1
	CustomID string
	Shard    Shard // zero if the split is unknown
}

// maxAbsent is the maximum length of Merged.Absent.
const maxAbsent = 10

// Merge looks up the line of every row and writes the lines in the order of the rows, if the options have a
// destination: answers to one file and failures to another, or all rows to a document. It writes everything or nothing.
// It only reads the parts, and runs may append to them meanwhile; Merge ignores lines that come after its start.
//
// It needs 16 bytes of memory per row, in addition to the memory of Rows. The result is valid if the error is nil.
// Errors: a *WriteError, the error of Rows, of the context, or of reading the parts.
func Merge(ctx context.Context, o MergeOptions) (Merged, error) {
	c, err := collect(ctx, o.Parts)
	if err != nil {
		return Merged{}, err
	}
	defer c.close()
	m := &merge{MergeOptions: o, collection: c, pages: newPageCache(c.open())}
	m.Doubles, m.Superseded, m.Damage = c.index.doubles, c.index.superseded, c.damage
	if m.Doubles > 0 {
		for i, s := range c.index.firstDouble {
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
		if err := m.out.publish(); err != nil {
			return Merged{}, err
		}
		m.Written = true
	}
	return m.Merged, nil
}

// merge is the state of Merge.
type merge struct {
	MergeOptions
	*collection
	Merged
	pages   *pageCache
	out     target // nil if nothing is written, or not any more
	inputs  *inputs
	matched [2][]int64 // number of matched lines per file
}

// readAhead is the number of rows that may be read before their lines are copied.
const readAhead = 1024

// wanted is a row whose line is looked up.
type wanted struct {
	name     uint64
	index    int64
	line     int64
	customID string
	reject   *prompt.Reject // why the row cannot be asked, if its name is the reason
	input    []byte         // the row as JSON, if the document contains inputs
}

// all copies the lines of all rows while it reads the next rows.
func (m *merge) all(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, ended := make(chan wanted, readAhead), make(chan error, 1)
	go func() {
		defer close(rows)
		ended <- m.read(ctx, rows)
	}()
	for row := range rows {
		err := m.copy(row)
		m.inputs.release(row.input)
		if err != nil {
			cancel()
			for range rows { // until the reader sees the cancelled context
			}
			return err
		}
	}
	return <-ended
}

// read sends the rows until their end or the end of the context.
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
		case rows <- wanted{name: entryOf(row.Key).name, index: row.Index, line: row.Line, customID: row.CustomID, reject: row.Reject, input: input}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// copy processes one row.
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
	if m.out == nil && !m.CheckNames {
		return nil
	}
	f := m.file(at)
	line, err := m.pages.lineAt(f, at.offset())
	if err != nil {
		return err
	}
	if name, err := nameOf(line); err != nil || name != row.name {
		return fmt.Errorf("read %s: it was modified during the merge; run the same command again", f.Name())
	}
	if !hasCustomID(line, row.customID) {
		if m.Renamed++; m.Renamed == 1 {
			m.RenamedLine = row.line
		}
	}
	if m.out == nil {
		return nil
	}
	if line, err = restateMerged(line, row, kind); err != nil {
		return fmt.Errorf("read %s: the line of row %q: %w", f.Name(), row.customID, err)
	}
	return m.out.write(kind, row, line)
}

// restateMerged returns the line with the name of the row, and with the reason and the line of the input if the row cannot be
// asked because of its name.
func restateMerged(line []byte, row wanted, kind int) ([]byte, error) {
	if row.reject == nil || kind == 0 {
		return restate(line, row.customID, row.line)
	}
	key, err := keyOf(line)
	if err != nil {
		return nil, err
	}
	f := &Failure{Code: row.reject.Code, Message: row.reject.Message, Param: row.reject.Param, Line: row.line}
	return (&Line{ID: key.String(), CustomID: row.customID, Error: f}).appendTo(nil)
}

// miss counts a row without a line. Unless Partial is set, it discards the destination.
func (m *merge) miss(row wanted) error {
	m.Missing++
	if m.out != nil && !m.Partial {
		m.out.discard()
		m.out = nil
	}
	shard := Shard{}
	if m.Split.Count > 0 {
		if m.MissingIn == nil {
			m.MissingIn = make([]int64, m.Split.Count)
		}
		in := m.Split.Of(row.index)
		m.MissingIn[in]++
		if m.Split.Count > 1 {
			shard = Shard{Index: int(in), Count: int(m.Split.Count)}
		}
	}
	if len(m.Absent) < maxAbsent {
		m.Absent = append(m.Absent, AbsentRow{Line: row.line, CustomID: row.customID, Shard: shard})
	}
	if m.out == nil || m.Document != nil && m.Document.PresentOnly {
		return nil
	}
	return m.out.write(0, row, nil)
}

// countStrays finds lines that belong to no row: each row matched one line.
func (m *merge) countStrays() {
	if m.Strays = m.index.len() - m.Answered - m.Failed; m.Strays == 0 {
		return
	}
	for _, segment := range m.index.segments {
		for _, e := range segment {
			kind := 0
			if location(e.request).failed() {
				kind = 1
			}
			m.matched[kind][location(e.request).part()]--
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

// nameOf returns the name in a line that was valid before.
func nameOf(line []byte) (uint64, error) {
	if len(line) > idEnd {
		if key, err := keyAt(line); err == nil {
			return entryOf(key).name, nil
		}
	}
	key, err := keyOf(line)
	return entryOf(key).name, err
}

package result

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/semaphore"

	fast "fluxworker/worker/json"
)

// Document is one file with all rows of an input.
type Document struct {
	Path   string
	Format Format      // any format but Lines
	Mode   fs.FileMode // mode of the file before the umask; 0 means 0600
	// Input returns the row that MergeOptions.Rows returned last as a JSON object, or nil if it is not one. The result
	// is valid until the next call of Rows. Input is called only if the format contains inputs.
	Input func() []byte
	// Model is the run's model, for rows without an answer; empty if it is unknown.
	Model string
	// Table says which columns the document has, if it is a table.
	Table Table
	// PresentOnly leaves out the rows that have no line.
	PresentOnly bool
}

// documentLayout describes the structure of a document.
type documentLayout struct {
	start, between, end string
	// inputs is true if the document contains the inputs of the rows.
	inputs bool
	// row appends one row.
	row func(b *bytes.Buffer, r documentRow) error
}

// documentRow is a row with its result.
type documentRow struct {
	customID string
	input    []byte // as JSON; nil if the row is not JSON
	model    string // the run's model
	reply
}

func (d Document) layout() documentLayout {
	switch d.Format {
	case LLMFlux:
		return documentLayout{start: "{\"results\":[\n", between: ",\n", end: "\n]}\n", inputs: true, row: appendLLMFlux}
	case LLMFluxArray:
		return documentLayout{start: "[\n", between: ",\n", end: "\n]\n", inputs: true, row: appendLLMFlux}
	case CSV:
		return d.Table.cells(',')
	case TSV:
		return d.Table.cells('\t')
	case Flat:
		return d.Table.objects()
	default:
		panic(fmt.Sprintf("format %q has no document", d.Format))
	}
}

// needsInputs reports whether Input is called for each row.
func (d Document) needsInputs() bool {
	if d.Format == Parquet {
		return len(d.Table.Own) > 0 && d.Table.Source == nil
	}
	return d.layout().inputs
}

// first returns the first bytes of a document of JSON. Only documents written by this package begin with them.
func (l documentLayout) first() string { return l.start + itemStart }

// CheckReplaceable returns an error if a file with other content than results is at Path.
func (d Document) CheckReplaceable() (err error) {
	for _, f := range []Format{LLMFlux, LLMFluxArray} {
		if err = startsWith(d.Path, Document{Format: f}.layout().first()); err == nil {
			return nil
		}
	}
	return isTable(d.Path)
}

// target receives merged rows: two files of lines, or a document.
type target interface {
	// write writes a row and its line; line is nil if the row has none yet.
	write(kind int, row wanted, line []byte) error
	// publish makes all rows durable and moves the files to their final paths.
	publish() error
	// discard removes the files that were not published.
	discard()
}

// target returns the target of the options; nil if nothing is to be written.
func (o MergeOptions) target() (target, error) {
	switch {
	case o.Document != nil:
		return newDocument(*o.Document)
	case o.To != nil:
		return newMergedFiles(*o.To)
	}
	return nil, nil
}

// documentFile is a document while it is written.
type documentFile struct {
	*mergedFile
	documentLayout
	model string
	item  bytes.Buffer // buffer for one row
	begun bool
}

func newDocument(d Document) (target, error) {
	to := Paths{Mode: d.Mode}
	if err := os.MkdirAll(filepath.Dir(d.Path), to.dirMode()); err != nil {
		return nil, &WriteError{Path: filepath.Dir(d.Path), Err: err}
	}
	file, err := newMergedFile(d.Path, to)
	if err != nil {
		return nil, err
	}
	if d.Format == Parquet {
		return newParquetFile(d, file)
	}
	return &documentFile{mergedFile: file, documentLayout: d.layout(), model: d.Model}, nil
}

func (d *documentFile) write(_ int, row wanted, line []byte) error {
	r, err := replyOf(line)
	if err != nil {
		return fmt.Errorf("the line of row %q: %w", row.customID, err)
	}
	if d.item.Cap() > keptScratch {
		d.item = bytes.Buffer{}
	}
	d.item.Reset()
	before := d.between
	if !d.begun {
		before = d.start
	}
	d.begun = true
	d.item.WriteString(before)
	if err := d.row(&d.item, documentRow{customID: row.customID, input: row.input, model: d.model, reply: r}); err != nil {
		return fmt.Errorf("the line of row %q: %w", row.customID, err)
	}
	return d.add(d.item.Bytes())
}

func (d *documentFile) publish() error {
	before := ""
	if !d.begun {
		before = d.start
	}
	if err := d.add([]byte(before + d.end)); err != nil {
		return err
	}
	if err := d.complete(); err != nil {
		return err
	}
	return d.draft.publish()
}

// reply is the part of a line that a document shows.
type reply struct {
	answered bool
	body     json.RawMessage // body of the answer
	failure  string          // the reason for a missing answer
}

// noLine is the failure of a row that has no line yet.
const noLine = "no_answer_yet: the row has no line in the output; run the same command again"

func replyOf(line []byte) (reply, error) {
	if line == nil {
		return reply{failure: noLine}, nil
	}
	line = bytes.TrimSpace(line)
	if !fast.Valid(line) || line[0] != '{' { // the line was valid when its file was scanned
		return reply{}, errors.New("it is not JSON any more")
	}
	p := partsOf(line)
	switch {
	case p.answered:
		return reply{answered: true, body: p.body}, nil
	case isObject(p.failure) || len(p.failure) > 0 && p.failure[0] == '"':
		return reply{failure: reason(p.failure)}, nil
	}
	return reply{failure: "no_response: the line holds neither an answer nor a reason"}, nil
}

func isObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }

// reason returns the code and the message of an error. It returns an object without a message unchanged.
func reason(failure json.RawMessage) string {
	f := failureIn(failure)
	switch {
	case f.Message == "":
		return string(failure)
	case f.Code == unknownCode:
		return f.Message
	}
	return f.Code + ": " + f.Message
}

// inputs passes the inputs of rows from the reader to the writer. It limits their bytes and not their number, because
// rows with images have megabytes.
type inputs struct {
	of    func() []byte // nil if no inputs are needed
	space *semaphore.Weighted
}

// inputBytes is the limit of bytes in transit.
const inputBytes = 32 << 20

func newInputs(d *Document) *inputs {
	if d == nil || !d.needsInputs() {
		return &inputs{}
	}
	return &inputs{of: d.Input, space: semaphore.NewWeighted(inputBytes)}
}

// take returns a copy of the input of the row that was read last. It waits for free space.
func (i *inputs) take(ctx context.Context) ([]byte, error) {
	if i.of == nil {
		return nil, nil
	}
	input := i.of()
	if err := i.space.Acquire(ctx, weight(input)); err != nil {
		return nil, context.Cause(ctx)
	}
	return bytes.Clone(input), nil
}

// release frees the space of an input.
func (i *inputs) release(input []byte) {
	if i.of != nil {
		i.space.Release(weight(input))
	}
}

// weight returns the space that an input needs. An input larger than the limit takes all the space.
func weight(input []byte) int64 { return min(int64(len(input)), inputBytes) }

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

	"fluxworker/worker/prompt"
)

// Document is one file for all rows of an input.
type Document struct {
	Path   string
	Format Format      // not Lines
	Mode   fs.FileMode // of the file, less the umask; 0 stands for 0600
	// Input returns the row that MergeOptions.Rows returned last as a JSON object, or nil where it is none. It is valid until
	// the next call of Rows, and asked for only where the format holds it.
	Input func() []byte
	// Model is the one that was to answer, for rows that did not get so far; empty where that is not known.
	Model string
}

// shape is how a document is put together of its rows.
type shape struct {
	start, between, end string
	// inputs says that the rows' inputs are in it.
	inputs bool
	// row appends a row.
	row func(b *bytes.Buffer, r documentRow) error
}

// documentRow is a row and what became of it.
type documentRow struct {
	customID string
	input    []byte // as JSON; nil where it is none
	model    string // that was to answer
	reply
}

func (f Format) shape() shape {
	switch f {
	case LLMFlux:
		return shape{start: "{\"results\":[\n", between: ",\n", end: "\n]}\n", inputs: true, row: appendLLMFlux}
	case LLMFluxArray:
		return shape{start: "[\n", between: ",\n", end: "\n]\n", inputs: true, row: appendLLMFlux}
	case CSV:
		return shape{start: csvHeader, row: appendCSV}
	default:
		panic(fmt.Sprintf("format %q has no document", f))
	}
}

// first is how a document of ours begins; nobody else's does.
func (s shape) first() string {
	if s.inputs {
		return s.start + itemStart
	}
	return s.start
}

// Replaceable is an error where something else than a document of ours is at the place.
func (d Document) Replaceable() (err error) {
	for _, f := range []Format{LLMFlux, LLMFluxArray, CSV} {
		if err = startsWith(d.Path, f.shape().first()); err == nil {
			return nil
		}
	}
	return err
}

// target is where merged rows go: two files of lines, or a document.
type target interface {
	// write takes a row and its line; none where the row has none yet.
	write(kind int, row wanted, line []byte) error
	// place makes all of it durable and puts it where it belongs.
	place() error
	// discard gives up what was not placed.
	discard()
}

// target begins what the options ask for; nil where nothing is to be written.
func (o MergeOptions) target() (target, error) {
	switch {
	case o.Document != nil:
		return newDocument(*o.Document)
	case o.To != nil:
		return newMergedFiles(*o.To)
	}
	return nil, nil
}

// documentFile is a document in the making.
type documentFile struct {
	*mergedFile
	shape
	model string
	item  bytes.Buffer // a row before it is written
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
	return &documentFile{mergedFile: file, shape: d.Format.shape(), model: d.Model}, nil
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

func (d *documentFile) place() error {
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
	return d.draft.place()
}

// reply is what a document shows of a line.
type reply struct {
	answered bool
	body     json.RawMessage // of the answer
	failure  string          // why there is none
}

// noLine is what a document says of a row that has no line yet.
const noLine = "no_answer_yet: the row has no line in the output; run the same command again"

func replyOf(line []byte) (reply, error) {
	if line == nil {
		return reply{failure: noLine}, nil
	}
	line = bytes.TrimSpace(line)
	if !json.Valid(line) || line[0] != '{' { // it was, when its file was scanned
		return reply{}, errors.New("it is no JSON any more")
	}
	// Most of a line is its answer, which is not decoded where it is only copied.
	var response, failure, status, body []byte
	prompt.EachMember(line, func(name, value []byte) {
		switch string(name) {
		case `"response"`:
			response = value
		case `"error"`:
			failure = value
		}
	})
	if isObject(failure) {
		return reply{failure: reason(failure)}, nil
	}
	if isObject(response) {
		prompt.EachMember(response, func(name, value []byte) {
			switch string(name) {
			case `"status_code"`:
				status = value
			case `"body"`:
				body = value
			}
		})
	}
	switch {
	case !isObject(body):
		return reply{failure: "no_response: the line holds neither an answer nor a reason"}, nil
	case len(status) == 3 && status[0] == '2':
		return reply{answered: true, body: body}, nil
	}
	refused := body
	prompt.EachMember(body, func(name, value []byte) {
		if string(name) == `"error"` {
			refused = value
		}
	})
	return reply{failure: reason(refused)}, nil
}

func isObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }

// reason is what an error object says, of ours or of OpenAI's; another one is shown as it stands.
func reason(object json.RawMessage) string {
	var f Failure
	if err := json.Unmarshal(object, &f); err != nil || f.Code == "" {
		return string(object)
	}
	return f.Code + ": " + f.Message
}

// inputs carries the rows' inputs from who reads them to who writes them. Rows with images are megabytes long, so it is
// their bytes that are bounded, and not their number.
type inputs struct {
	of   func() []byte // nil where nobody wants them
	room *semaphore.Weighted
}

// inputBytes is how much may be on the way.
const inputBytes = 32 << 20

func newInputs(d *Document) *inputs {
	if d == nil || !d.Format.shape().inputs {
		return &inputs{}
	}
	return &inputs{of: d.Input, room: semaphore.NewWeighted(inputBytes)}
}

// take is a copy of the input of the row that was read last. It waits while there is no room for it.
func (i *inputs) take(ctx context.Context) ([]byte, error) {
	if i.of == nil {
		return nil, nil
	}
	input := i.of()
	if err := i.room.Acquire(ctx, weight(input)); err != nil {
		return nil, context.Cause(ctx)
	}
	return bytes.Clone(input), nil
}

// release gives the room of an input back.
func (i *inputs) release(input []byte) {
	if i.of != nil {
		i.room.Release(weight(input))
	}
}

// weight lets one input that is larger than all the room through by itself.
func weight(input []byte) int64 { return min(int64(len(input)), inputBytes) }

package prompt

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table reads the rows of a CSV or TSV file: each record behind the header is one.
type table struct {
	records  recordReader
	cells    *csv.Reader // gets one record after the other
	feed     feed
	columns  columns
	id       int             // the column of the custom_ids, or -1
	prompt   int             // the column of the prompts, or -1
	template *promptTemplate // makes the prompts instead; nil for none
	decoder  *decoder
}

// newTable reads the header of the table and finds in it what the options want. An error is a LayoutError where they want
// what is not there.
func newTable(in io.Reader, o Options, h *hasher, d *decoder) (*table, error) {
	t := &table{decoder: d, prompt: -1, records: recordReader{in: in, name: o.Name, comma: ',', limit: o.MaxRowBytes, window: max(quoteWindow, o.MaxRowBytes), hasher: h}}
	if o.Format == TSV {
		t.records.comma = '\t'
	}
	t.cells = csv.NewReader(&t.feed)
	t.cells.Comma, t.cells.FieldsPerRecord, t.cells.ReuseRecord = rune(t.records.comma), -1, true
	if err := t.readHeader(); err != nil {
		return nil, fmt.Errorf("read header of %s: %w", o.Name, err)
	}
	if err := t.resolve(o.Layout, o.NamesOnly); err != nil {
		return nil, layoutErrorf("%s: %w", o.Name, err)
	}
	return t, nil
}

func (t *table) readHeader() error {
	if err := t.records.dropMark(); err != nil {
		return err
	}
	l, err := t.records.next()
	switch {
	case err == io.EOF:
		return fmt.Errorf("the file is empty (%s); its first line must name the columns", CodeEmptyFile)
	case err != nil:
		return err
	case l.tooLong:
		return fmt.Errorf("it is %d bytes long, above --max-row-bytes; the first line must name the columns", l.size)
	case l.flaw != nil:
		return l.flaw.reject()
	}
	if wrong := notUTF8(l.text); wrong != "" {
		return fmt.Errorf("it %s", wrong)
	}
	names, err := t.split(l.text)
	if err != nil {
		return err
	}
	for _, name := range names {
		t.columns = append(t.columns, strings.Clone(name))
	}
	return nil
}

// resolve finds the columns. Whoever only wants the rows' names needs no prompt.
func (t *table) resolve(layout Layout, namesOnly bool) (err error) {
	if t.id, err = t.columns.idColumn(layout); err != nil || namesOnly {
		return err
	}
	if layout.PromptTemplate == "" {
		t.prompt, err = t.columns.promptColumn(layout)
		return err
	}
	if t.template, err = parsePrompt(layout.PromptTemplate); err != nil {
		return err
	}
	return t.template.check(t.columns, func(name string) error {
		_, err := t.columns.place(name)
		return err
	})
}

// layout is the one that was wanted, with the columns that it left open.
func (t *table) layout(l Layout) Layout {
	if t.id >= 0 {
		l.IDColumn = t.columns[t.id]
	}
	if t.prompt >= 0 && t.template == nil {
		l.PromptColumn = t.columns[t.prompt]
	}
	return l
}

// next returns the next record, with its cells where it has as many as the header.
func (t *table) next() (line, error) {
	l, err := t.records.next()
	if err != nil || l.tooLong || l.flaw != nil {
		return l, err
	}
	cells, err := t.split(l.text)
	switch {
	case err != nil:
		l.flaw = problemf(CodeInvalidRecord, "", "%s cannot be split: %s", t.records.place(l.number), err)
	case len(cells) != len(t.columns):
		span := ""
		if last := t.records.number; last > l.number {
			span = fmt.Sprintf(" (it goes on to line %d)", last)
		}
		l.cells = cells
		l.flaw = problemf(CodeInvalidRecord, "", "%s has %d fields, but the header has %d%s", t.records.place(l.number), len(cells), len(t.columns), span)
	default:
		l.cells = cells
	}
	return l, nil
}

// split splits a record. What it returns is valid until it is called again.
func (t *table) split(record []byte) ([]string, error) {
	t.feed = feed{record, []byte("\r\n")}
	return t.cells.Read()
}

// name is the cell of the custom_id. Of a record whose cells are too many or too few nobody knows which one that is.
func (t *table) name(l *line) string {
	if t.id < 0 || l.flaw != nil || !utf8.ValidString(l.cells[t.id]) {
		return ""
	}
	return strings.Clone(l.cells[t.id])
}

func (t *table) request(l *line) (r Request, id string, p *problem) {
	id = t.name(l)
	if l.flaw != nil {
		return r, id, l.flaw
	}
	if wrong := notUTF8(l.text); wrong != "" {
		return r, id, problemf(CodeInvalidRecord, "", "%s %s", t.records.place(l.number), wrong)
	}
	text, p := t.text(l.cells)
	if p == nil {
		r, p = t.decoder.promptRow(text, nil)
	}
	if p != nil {
		p.text = t.records.place(l.number) + " " + p.text
	}
	return r, id, p
}

// text is the prompt that the cells make.
func (t *table) text(cells []string) (string, *problem) {
	if t.template == nil {
		return strings.Clone(cells[t.prompt]), nil // a copy, since the cell would hold the whole record
	}
	for i, name := range t.columns {
		t.template.values[name] = cells[i]
	}
	text, err := t.template.prompt()
	if err != nil {
		return "", templateProblem(err)
	}
	return text, nil
}

func (t *table) at() int64     { return max(1, t.records.number) }
func (t *table) buffered() int { return len(t.records.unread()) }

// feed gives a reader that goes on and on one record at a time, with a line end that is none of the record's own.
type feed struct{ record, lineEnd []byte }

func (f *feed) Read(p []byte) (int, error) {
	part := &f.record
	if len(*part) == 0 {
		part = &f.lineEnd
	}
	if len(*part) == 0 {
		return 0, io.EOF
	}
	n := copy(p, *part)
	*part = (*part)[n:]
	return n, nil
}

package prompt

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// table reads the rows of a CSV or TSV file: each record after the header.
type table struct {
	records  recordReader
	cells    *csv.Reader // splits one record after the other
	feed     feed
	columns  columns
	distinct []string        // the columns; see columns.distinct
	id       int             // index of the custom_id column, or -1
	prompt   int             // index of the prompt column, or -1
	template *promptTemplate // makes the prompts if it is not nil
	decoder  *decoder

	named bool  // the cells are separated as the file's name says
	blank int64 // number of records without content
}

// newTable reads the header of the table and finds the columns of the options in it. It returns a *LayoutError if a
// column is missing.
func newTable(in io.Reader, o Options, h *hasher, d *decoder) (*table, error) {
	t := &table{decoder: d, prompt: -1, records: recordReader{in: in, name: o.Name, limit: o.MaxRowBytes, window: max(quoteWindow, o.MaxRowBytes), hasher: h}}
	if err := t.findSeparator(o.Format); err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Name, err)
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

// findSeparator drops a byte order mark and finds what separates the cells: what the file's name says, unless only another
// separator is in the header. Where commas are decimal points, spreadsheets write semicolons into a .csv file.
func (t *table) findSeparator(f Format) error {
	separators := ",\t;|"
	if f == TSV {
		separators = "\t,;|"
	}
	t.records.comma, t.named = separators[0], true
	if err := t.records.dropBOM(); err != nil {
		return err
	}
	end, _, err := t.records.lineEnd(0)
	if err == io.EOF || err == errNoLineEnd {
		return nil // an empty file, or one without a header
	}
	if err != nil {
		return err
	}
	var count [256]int
	quoted := false
	for _, c := range t.records.unread()[:end] {
		switch {
		case c == '"':
			quoted = !quoted
		case !quoted:
			count[c]++
		}
	}
	if count[t.records.comma] > 0 {
		return nil
	}
	for _, other := range []byte(separators[1:]) {
		if count[other] > count[t.records.comma] {
			t.records.comma, t.named = other, false
		}
	}
	return nil
}

func (t *table) readHeader() error {
	l, err := t.records.next()
	switch {
	case err == io.EOF:
		return fmt.Errorf("the file is empty (%s); its first line must hold the column names", CodeEmptyFile)
	case err != nil:
		return err
	case l.tooLong:
		return fmt.Errorf("it is %d bytes long, above --max-row-bytes; the first line must hold the column names", l.size)
	case l.rowErr != nil:
		return l.rowErr.reject()
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
	t.distinct = t.columns.distinct()
	return nil
}

// resolve finds the columns. With namesOnly no prompt is needed.
func (t *table) resolve(layout Layout, namesOnly bool) (err error) {
	if t.id, err = t.columns.idColumn(layout); err != nil || namesOnly {
		return err
	}
	if layout.MessagesColumn != "" {
		return errors.New("--messages-column is for JSONL and JSON lists; remove the flag")
	}
	if layout.PromptTemplate == "" {
		t.prompt, err = t.columns.promptColumn(layout)
		return err
	}
	if t.template, err = parsePrompt(layout.PromptTemplate); err != nil {
		return err
	}
	if err := t.template.checkUse(layout.PromptTemplate, t.columns[0]); err != nil {
		return err
	}
	return t.template.check(t.columns.unique(), func(name string) error {
		_, err := t.columns.position(name)
		return err
	})
}

// layout returns l with the default columns in use.
func (t *table) layout(l Layout) Layout {
	if t.id >= 0 {
		l.IDColumn = t.columns[t.id]
	}
	if t.prompt >= 0 && t.template == nil {
		l.PromptColumn = t.columns[t.prompt]
	}
	return l
}

// next returns the next record with content: spreadsheets leave records of commas alone at the end. It sets rowErr if the record
// has not as many cells as the header.
func (t *table) next() (line, error) {
	for {
		l, err := t.records.next()
		if err != nil || l.tooLong || l.rowErr != nil {
			return l, err
		}
		if l = t.withCells(l); len(l.cells) > 0 && !slices.ContainsFunc(l.cells, func(cell string) bool { return cell != "" }) {
			t.blank++
			continue
		}
		return l, nil
	}
}

// withCells splits a record into its cells.
func (t *table) withCells(l line) line {
	cells, err := t.split(l.text)
	switch {
	case err != nil:
		l.rowErr = rowErrorf(CodeInvalidRecord, "", "%s cannot be split: %s", t.records.rowAt(l.number), err)
	case len(cells) != len(t.columns):
		span := ""
		if last := t.records.number; last > l.number {
			span = fmt.Sprintf(" (it extends to line %d)", last)
		}
		l.cells = cells
		l.rowErr = rowErrorf(CodeInvalidRecord, "", "%s has %d fields, but the header has %d%s", t.records.rowAt(l.number), len(cells), len(t.columns), span)
	default:
		l.cells = cells
	}
	return l
}

// split splits a record into cells, which are valid until the next call.
func (t *table) split(record []byte) ([]string, error) {
	t.feed = feed{record, []byte("\r\n")}
	return t.cells.Read()
}

// name returns the custom_id cell. It returns "" for a record with too many or too few cells, because the cell's
// position is unknown.
func (t *table) name(l *line) string {
	if t.id < 0 || l.rowErr != nil || !utf8.ValidString(l.cells[t.id]) {
		return ""
	}
	return strings.Clone(l.cells[t.id])
}

func (t *table) request(l *line) (r Request, id string, p *rowError) {
	id = t.name(l)
	if l.rowErr != nil {
		return r, id, l.rowErr
	}
	if wrong := notUTF8(l.text); wrong != "" {
		return r, id, rowErrorf(CodeInvalidRecord, "", "%s %s", t.records.rowAt(l.number), wrong)
	}
	text, p := t.text(l.cells)
	if p == nil {
		r, p = t.decoder.promptRow(text, nil)
	}
	if p != nil {
		p.text = t.records.rowAt(l.number) + " " + p.text
	}
	return r, id, p
}

// text returns the prompt for the cells.
func (t *table) text(cells []string) (string, *rowError) {
	if t.template == nil {
		return strings.Clone(cells[t.prompt]), nil // a copy, because the cell references the whole record
	}
	for i, name := range t.columns {
		t.template.values[name] = cells[i]
	}
	text, err := t.template.prompt()
	if err != nil {
		return "", templateError(err)
	}
	return text, nil
}

func (t *table) unit() string { return "line" }

func (t *table) remarks() (list []string) {
	if !t.named {
		names := map[byte]string{',': "commas", '\t': "tabs", ';': "semicolons", '|': "bars (|)"}
		list = append(list, "the cells are separated by "+names[t.records.comma]+", as the header shows")
	}
	if t.blank > 0 {
		list = append(list, fmt.Sprintf("records without content, which are no rows: %d", t.blank))
	}
	return list
}

func (t *table) at() int64     { return max(1, t.records.number) }
func (t *table) buffered() int { return len(t.records.unread()) }

// feed is an endless reader of one record at a time, followed by a line end.
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

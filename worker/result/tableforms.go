package result

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"fluxworker/worker/parquet"
	"fluxworker/worker/prompt"
	"fluxworker/worker/safeopen"
)

// cells returns the layout of a table whose cells this character separates. Cells are quoted where needed and not changed: a text
// like =1+1, which a spreadsheet takes for a formula, may be intended.
func (t Table) cells(comma rune) documentLayout {
	var start bytes.Buffer
	writeCells(&start, comma, t.header())
	return documentLayout{start: start.String(), inputs: len(t.Own) > 0, row: func(b *bytes.Buffer, r documentRow) error {
		rows, err := t.rows(r)
		for _, row := range rows {
			texts := make([]string, len(row))
			for i, value := range row {
				texts[i] = prompt.TextOf(value)
			}
			writeCells(b, comma, texts)
		}
		return err
	}}
}

func writeCells(b *bytes.Buffer, comma rune, cells []string) {
	w := csv.NewWriter(b)
	w.Comma = comma
	w.Write(cells) // to memory, so it cannot fail
	w.Flush()
}

// objects returns the layout of a table with one JSON object for each line, whose members are the columns.
func (t Table) objects() documentLayout {
	names := t.header()
	for i, name := range names {
		names[i] = string(quoted(name))
	}
	return documentLayout{inputs: len(t.Own) > 0, row: func(b *bytes.Buffer, r documentRow) error {
		rows, err := t.rows(r)
		for _, row := range rows {
			for i, value := range row {
				switch {
				case value == nil:
					value = []byte("null")
				case bytes.ContainsAny(value, "\r\n"): // between the parts of a value that a model or another program has indented
					var compact bytes.Buffer
					if err := json.Compact(&compact, value); err != nil {
						return err
					}
					value = compact.Bytes()
				}
				fmt.Fprintf(b, "%c%s:%s", "{,"[min(i, 1)], names[i], value)
			}
			b.WriteString("}\n")
		}
		return err
	}}
}

// quoted returns a text as JSON.
func quoted(text string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic("encode a string: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// parquetFile is a Parquet document while it is written.
type parquetFile struct {
	*mergedFile
	table  Table
	own    *parquet.Own // nil where no column is copied
	writer *parquet.Writer
}

func newParquetFile(d Document, file *mergedFile) (*parquetFile, error) {
	f := &parquetFile{mergedFile: file, table: d.Table}
	before, own, behind := d.Table.columns()
	switch {
	case len(own) == 0:
	case d.Table.Source == nil:
		before = slices.Concat(before, own)
	default:
		var err error
		if f.own, err = d.Table.Source.Select(namesOf(own)); err != nil {
			file.discard()
			return nil, err
		}
	}
	f.writer = parquet.NewWriter(adder{file}, before, f.own, behind)
	return f, nil
}

// adder is a merged file as a writer.
type adder struct{ *mergedFile }

func (a adder) Write(data []byte) (int, error) {
	if err := a.add(data); err != nil {
		return 0, err
	}
	return len(data), nil
}

func (f *parquetFile) write(_ int, row wanted, line []byte) error {
	r, err := replyOf(line)
	var rows [][]json.RawMessage
	if err == nil {
		rows, err = f.table.rows(documentRow{customID: row.customID, input: row.input, reply: r})
	}
	for _, values := range rows {
		if err == nil {
			err = f.writer.Write(row.index, values)
		}
	}
	if _, ours := errors.AsType[*WriteError](err); err == nil || ours {
		return err
	}
	return fmt.Errorf("the line of row %q: %w", row.customID, err)
}

func (f *parquetFile) publish() error {
	if err := f.writer.Close(); err != nil {
		return err
	}
	if err := f.complete(); err != nil {
		return err
	}
	return f.draft.publish()
}

func (f *parquetFile) discard() {
	if f.own != nil {
		f.own.Close() // opened for reading only
	}
	f.mergedFile.discard()
}

// headerSize is the size in bytes up to which the start of a table is read, to see whose table it is.
const headerSize = 64 << 20

// isTable returns an error if the file at path exists and is no table of ours.
func isTable(path string) error {
	f, err := safeopen.Named(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("replace %s: %w", path, cause(err))
	}
	defer f.Close()
	start := func() *bufio.Reader { return bufio.NewReader(io.NewSectionReader(f, 0, headerSize)) }
	magic, err := start().Peek(len(parquet.Magic))
	if len(magic) == 0 && errors.Is(err, io.EOF) {
		return nil
	}
	if string(magic) == parquet.Magic {
		if ours, err := parquet.IsOurs(path); err == nil && ours {
			return nil
		}
	}
	if line, _ := start().ReadBytes('\n'); isObject(line) && json.Valid(line) {
		var names []string
		prompt.EachMember(bytes.TrimSpace(line), func(quoted, _ []byte) { names = append(names, prompt.TextOf(quoted)) })
		if areOurColumns(names) {
			return nil
		}
	}
	for _, comma := range ",\t" {
		cells := csv.NewReader(start())
		cells.Comma = comma
		if names, err := cells.Read(); err == nil && areOurColumns(names) {
			return nil
		}
	}
	return fmt.Errorf("%s exists and does not hold results", path)
}

// areOurColumns reports whether a table of ours has these columns. The last of them may have numbers; see Table.columns.
func areOurColumns(names []string) bool {
	last := namesOf(lastColumns)
	if slices.Equal(names, namesOf(narrowColumns)) {
		return true
	}
	if len(names) <= len(last) {
		return false
	}
	for i, name := range names[len(names)-len(last):] {
		number, numbered := strings.CutPrefix(name, last[i]+"_")
		if _, err := strconv.Atoi(number); name != last[i] && (!numbered || err != nil) {
			return false
		}
	}
	return true
}

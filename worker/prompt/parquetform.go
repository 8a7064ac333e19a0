package prompt

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"fluxworker/worker/parquet"
)

// parquetForm reads the rows of Parquet files: JSON objects with a member for each column, of which all rows have the same.
type parquetForm struct {
	*objects
	table   *parquet.Table
	columns columns
	files   int
}

// newParquet returns the form of the rows of Parquet files. read counts the rows that were read. It returns a *LayoutError if a
// column of the Layout is missing. The caller closes rows.
func newParquet(table *parquet.Table, rows *parquet.Objects, files int, read *atomic.Int64, o Options, h *hasher, d *decoder) (*parquetForm, error) {
	f := &parquetForm{table: table, columns: table.Columns(), files: files}
	layout, err := f.columns.complete(o.Layout, o.NamesOnly)
	if err != nil {
		return nil, layoutErrorf("%s: %w", o.Name, err)
	}
	o.Format = JSONL
	l := newLines(strings.NewReader(""), o, h, d)
	l.rows = &parquetRows{rows: rows, limit: o.MaxRowBytes, hasher: h, read: read}
	if f.objects, err = newObjects(l, layout, o.NamesOnly); err != nil {
		return nil, err
	}
	if f.template != nil {
		for _, path := range f.template.paths {
			if _, err := f.columns.position(path[0]); err != nil {
				return nil, layoutErrorf("%s: %s: %w", o.Name, templateName, err)
			}
		}
	}
	return f, f.checkColumns(f.columns, "in the table; the columns are "+f.columns.String())
}

// complete returns the layout with the default columns of a table with types.
func (c columns) complete(l Layout, namesOnly bool) (Layout, error) {
	if l.IDColumn == "" && slices.Contains(c, defaultIDColumn) {
		l.IDColumn = defaultIDColumn
	}
	if namesOnly || l.PromptColumn != "" || l.PromptTemplate != "" || l.MessagesColumn != "" {
		return l, nil
	}
	switch {
	case slices.Contains(c, defaultPromptColumn):
		l.PromptColumn = defaultPromptColumn
	case slices.Contains(c, defaultMessagesColumn):
		l.MessagesColumn = defaultMessagesColumn
	default:
		return l, fmt.Errorf("name the prompt's column with --prompt-column, combine columns with --prompt-template, or name conversations with --messages-column; the columns are %s", c)
	}
	return l, nil
}

func (f *parquetForm) remarks() []string {
	list := f.objects.remarks()
	if f.files > 1 {
		list = append(list, fmt.Sprintf("Parquet files that are read as one table: %d", f.files))
	}
	return list
}

// parquetRows returns the rows of Parquet files as JSON objects. A row's number is its position, from 1.
type parquetRows struct {
	rows   *parquet.Objects
	limit  int // limit of an object in bytes
	hasher *hasher
	number int64
	read   *atomic.Int64
}

func (r *parquetRows) next() (line, error) {
	object, err := r.rows.Next()
	if err != nil {
		return line{}, err
	}
	r.number++
	r.read.Store(r.number)
	l := line{number: r.number, text: object, size: int64(len(object))}
	if len(object) > r.limit {
		l.text, l.tooLong, l.sum = nil, true, r.hasher.content(object)
	}
	return l, nil
}

func (r *parquetRows) position() int64 { return r.number }

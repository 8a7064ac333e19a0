package merge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"fluxworker/worker/outcome"
	"fluxworker/worker/parquet"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// maxColumns is the largest number of columns of a table that are found in JSON objects: more are keys of data, hardly columns.
const maxColumns = 1000

// fill sets what a document shows of the rows. Errors: ConfigError, InputError.
func (c Config) fill(ctx context.Context, d *result.Document, rows *prompt.Reader, parts []result.Part) error {
	d.Input, d.PresentOnly = rows.Input, c.PresentOnly
	if !d.Format.IsTable() {
		return nil
	}
	names, types, err := c.columns(ctx, rows)
	if err != nil {
		return err
	}
	ids := rows.NamesColumn()
	if ids == "" { // the table has a column of this name, also for rows that have no name of their own
		names = slices.DeleteFunc(names, func(name string) bool { return name == "custom_id" })
	}
	own, err := c.typed(ctx, names, types, rows)
	if err != nil {
		return err
	}
	d.Table = result.Table{Own: own, NamesOwn: ids != "" && slices.Contains(names, ids), Fields: fieldsOf(parts), Source: rows.Table()}
	d.Input = rows.Values(names)
	return nil
}

// typed returns the columns with types. Only Parquet needs types; those of JSON objects are found in the values. An input that can
// be read only once has texts.
func (c Config) typed(ctx context.Context, names []string, types map[string]*parquet.Types, rows *prompt.Reader) ([]parquet.Column, error) {
	if types == nil && c.Format == result.Parquet && len(names) > 0 && rows.Columns() == nil && !c.input().Once() {
		var err error
		if _, types, err = c.members(ctx); err != nil {
			return nil, err
		}
	}
	columns := make([]parquet.Column, len(names))
	for i, name := range names {
		columns[i] = parquet.Column{Name: name, Type: parquet.Text}
		if t := types[name]; t != nil {
			columns[i].Type = t.Type()
		}
	}
	return columns, nil
}

// columns returns the columns of the input that the table has, and their types where it has read all values; nil otherwise.
func (c Config) columns(ctx context.Context, rows *prompt.Reader) (names []string, types map[string]*parquet.Types, err error) {
	header := rows.Columns()
	switch {
	case c.Columns == ColumnsNone, c.Columns == "" || c.Columns == ColumnsAuto && header == nil:
		return nil, nil, nil
	case c.Columns == ColumnsAuto, c.Columns == ColumnsAll && header != nil:
		return slices.Clone(header), nil, nil
	case c.Columns == ColumnsAll:
		if c.input().Once() {
			return nil, nil, &outcome.ConfigError{Err: errors.New("--columns all reads the input twice, and this input can be read only once; name the columns")}
		}
		names, types, err = c.members(ctx)
		if len(names) > maxColumns {
			err = &outcome.ConfigError{Err: fmt.Errorf("--columns all: the objects of %s have more than %d different members; name the columns", c.Input, maxColumns)}
		}
		return names, types, err
	}
	return c.named(), nil, CheckColumns(c.Columns, rows)
}

// named returns the names in Columns, each once.
func (c Config) named() (names []string) {
	for name := range strings.SplitSeq(c.Columns, ",") {
		if name = strings.TrimSpace(name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// CheckColumns returns a ConfigError if columns, a value of Config.Columns, names a column that the table of the rows does not have.
// Objects of JSON need not have the same columns.
func CheckColumns(columns string, rows *prompt.Reader) error {
	header := rows.Columns()
	if header == nil || slices.Contains([]string{"", ColumnsAuto, ColumnsAll, ColumnsNone}, columns) {
		return nil
	}
	for _, name := range (Config{Columns: columns}).named() {
		if !slices.Contains(header, name) {
			return &outcome.ConfigError{Err: fmt.Errorf("--columns: there is no column %q; the columns are %s", name, strings.Join(header, ", "))}
		}
	}
	return nil
}

// members returns the names of all members of the input's objects, in the order in which they appear, and the types of their values;
// of objects that have more than maxColumns members it returns some more than that.
func (c Config) members(ctx context.Context) (names []string, types map[string]*parquet.Types, _ error) {
	source, rows, err := c.input().OpenNames(result.Shard{})
	if err != nil {
		return nil, nil, err
	}
	defer source.Close()
	types = make(map[string]*parquet.Types)
	for ctx.Err() == nil {
		_, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return names, types, nil
		}
		if err != nil {
			return nil, nil, &outcome.InputError{Err: err}
		}
		rows.Members(func(name string, value []byte) {
			if types[name] == nil && len(names) <= maxColumns {
				types[name] = new(parquet.Types)
				names = append(names, name)
			}
			if t := types[name]; t != nil {
				t.Add(parquet.TypeOf(value))
			}
		})
	}
	return nil, nil, outcome.BySignal()
}

// fieldsOf returns the members of the answers by the JSON Schema of the first part whose manifest names them.
func fieldsOf(parts []result.Part) (fields []parquet.Column) {
	for _, p := range parts {
		if p.Paths.Run == "" {
			continue
		}
		m, err := record.ReadManifest(p.Paths)
		if err != nil || m == nil || len(m.Requests.Fields) == 0 {
			continue
		}
		for i, name := range m.Requests.Fields {
			fields = append(fields, parquet.Column{Name: name, Type: parquet.JSON})
			if i < len(m.Requests.Types) { // not of an older version
				fields[i].Type = m.Requests.Types[i]
			}
		}
		return fields
	}
	return nil
}

package merge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// maxColumns is the largest number of columns of a table that are found in JSON objects: more are keys of data, hardly columns.
const maxColumns = 1000

// fill sets what a document shows of the rows. Errors: ConfigError, InputError.
func (c Config) fill(ctx context.Context, d *result.Document, rows *prompt.Reader, parts []result.Part) error {
	d.Input, d.PresentOnly = rows.Input, c.PresentOnly
	if d.Format != result.CSV && d.Format != result.TSV {
		return nil
	}
	own, err := c.columns(ctx, rows)
	if err != nil {
		return err
	}
	d.Table = result.Table{Own: own, NamesOwn: slices.Contains(own, rows.NamesColumn()), Fields: fieldsOf(parts)}
	d.Input = func() []byte { return rows.Cells(own) }
	return nil
}

// columns returns the columns of the input that the table has.
func (c Config) columns(ctx context.Context, rows *prompt.Reader) ([]string, error) {
	header := rows.Columns()
	switch {
	case c.Columns == ColumnsNone, c.Columns == "" || c.Columns == ColumnsAuto && header == nil:
		return nil, nil
	case c.Columns == ColumnsAuto, c.Columns == ColumnsAll && header != nil:
		return unique(header), nil
	case c.Columns == ColumnsAll:
		return c.members(ctx)
	}
	names := strings.Split(c.Columns, ",")
	for i, name := range names {
		if names[i] = strings.TrimSpace(name); header != nil && !slices.Contains(header, names[i]) {
			return nil, &outcome.ConfigError{Err: fmt.Errorf("--columns: there is no column %q; the columns are %s", names[i], strings.Join(header, ", "))}
		}
	}
	return unique(names), nil
}

// unique returns the names without those that are there already.
func unique(names []string) []string {
	var list []string
	for _, name := range names {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// members returns the names of all members of the input's objects, in the order in which they appear.
func (c Config) members(ctx context.Context) (names []string, _ error) {
	if c.input().Once() {
		return nil, &outcome.ConfigError{Err: errors.New("--columns all reads the input twice, and this input can be read only once; name the columns")}
	}
	source, rows, err := c.input().OpenNames(result.Shard{})
	if err != nil {
		return nil, err
	}
	defer source.Close()
	known := make(map[string]bool)
	for ctx.Err() == nil {
		_, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, &outcome.InputError{Err: err}
		}
		for _, name := range rows.Members() {
			if !known[name] {
				known[name] = true
				names = append(names, name)
			}
		}
		if len(names) > maxColumns {
			return nil, &outcome.ConfigError{Err: fmt.Errorf("--columns all: the objects of %s have more than %d different members; name the columns", c.Input, maxColumns)}
		}
	}
	return nil, outcome.BySignal()
}

// fieldsOf returns the members of the answers by the JSON Schema of the first part whose manifest names them.
func fieldsOf(parts []result.Part) []string {
	for _, p := range parts {
		if p.Paths.Run == "" {
			continue
		}
		if m, err := record.ReadManifest(p.Paths); err == nil && m != nil && len(m.Requests.Fields) > 0 {
			return m.Requests.Fields
		}
	}
	return nil
}

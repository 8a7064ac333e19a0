// Package merge writes the lines of all shards of an output in the order of the input, as lines or as one document.
//
// Invariants: a merge identifies rows by their names, so it needs neither model nor settings; it never overwrites a file that
// a run writes to, that the merge reads, or that holds other data; it writes nothing while rows are missing, unless Partial
// is set.
package merge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"fluxworker/worker/input"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// Config names the sources and the target of a merge.
type Config struct {
	Input       string // path of the rows, or "-" for standard input
	IDColumn    string // as in the run: the column of a table with the custom_ids
	MaxRowBytes int    // as in the run: a longer row has another name
	KeepFirst   bool   // as in the run: it leaves out rows with a repeated custom_id
	Output      string // path of the results, as in the run
	// ResumeFrom names the result files of other splits, as in the run: an answer there counts where the output has none.
	ResumeFrom []string
	// To is the file for the answers; failures go to the errors file beside it. A document has both. "" means the output
	// itself, if runs wrote only its shards.
	To string
	// Format is the format of the target; "" means Lines.
	Format result.Format
	// Columns are the columns of the input that a table has: ColumnsAuto, ColumnsAll, ColumnsNone, or names with commas between.
	Columns string
	Check   bool // only count, write nothing
	Partial bool // write although rows are missing
	Replace bool // a document replaces any file
	// PresentOnly leaves rows without a line out of a document, and they do not count as missing: the rows of a trial.
	PresentOnly bool
}

// Values of Config.Columns.
const (
	ColumnsAuto = "auto" // all of a table, none of other inputs
	ColumnsAll  = "all"
	ColumnsNone = "none"
)

// Run merges the lines. Errors: ConfigError, InputError (which may wrap result.ErrNoOutput), result.WriteError, ErrStopped.
func Run(ctx context.Context, c Config) (result.Merged, error) {
	parts, err := result.Parts(c.Output)
	if err != nil {
		return result.Merged{}, outcome.OfParts(err)
	}
	split, err := result.Split(c.Output, parts)
	if err != nil {
		return result.Merged{}, &outcome.InputError{Err: err}
	}
	o := result.MergeOptions{Parts: c.withOthers(parts), Split: split, Partial: c.Partial || c.PresentOnly, CheckNames: c.Check}
	if err := c.setTarget(&o); err != nil {
		return result.Merged{}, err
	}
	source, rows, err := c.input().OpenNames(result.Shard{})
	if err != nil {
		return result.Merged{}, err
	}
	defer source.Close()
	o.Rows = rows.Next
	if o.Document != nil {
		if err := c.fill(ctx, o.Document, rows, parts); err != nil {
			return result.Merged{}, err
		}
	}
	m, err := result.Merge(ctx, o)
	var write *result.WriteError
	switch {
	case err == nil && m.Rows == 0:
		return m, outcome.EmptyInput(c.Input)
	case err == nil, errors.As(err, &write):
		return m, err
	case ctx.Err() != nil:
		return m, outcome.BySignal()
	}
	return m, &outcome.InputError{Err: err}
}

func (c Config) input() input.Input {
	return input.Input{Path: c.Input, Layout: prompt.Layout{IDColumn: c.IDColumn}, MaxRowBytes: c.MaxRowBytes, KeepFirst: c.KeepFirst}
}

// withOthers appends the files of other splits to the parts of the output.
func (c Config) withOthers(parts []result.Part) []result.Part {
	for _, path := range c.ResumeFrom {
		if !slices.ContainsFunc(parts, func(p result.Part) bool { return same(p.Paths.Results, path) }) {
			parts = append(parts, result.Part{Paths: result.Paths{Results: path}})
		}
	}
	return parts
}

// target returns the files for the lines. They are never files that a run writes to, that a run or the merge reads, or that
// hold other data. Errors: ConfigError, InputError.
func (c Config) target(parts []result.Part) (result.Paths, error) {
	name := c.To
	if name == "" {
		name = c.Output
	}
	to, err := result.PathsOf(name, result.Shard{})
	if err != nil {
		return to, &outcome.ConfigError{Err: err}
	}
	switch {
	case to.UsedByRun(), slices.ContainsFunc(parts, func(p result.Part) bool { return same(p.Paths.Results, to.Results) || same(p.Paths.Errors, to.Results) }):
		return to, &outcome.ConfigError{Err: fmt.Errorf("%s is the output of a run itself, and a merge does not change it; name another file with --to", to.Results)}
	case to.Contains(c.Input):
		return to, &outcome.ConfigError{Err: fmt.Errorf("input %s is where the merged lines would go; name another file with --to", c.Input)}
	}
	if err := c.input().CheckOutside(name, "the merged file"); err != nil {
		return to, err
	}
	for _, path := range []string{to.Results, to.Errors} {
		if err := result.CheckReplaceable(path); err != nil {
			return to, &outcome.ConfigError{Err: fmt.Errorf("%w; name another file with --to", err)}
		}
	}
	if to.Mode, err = modeOf(parts); err != nil {
		return to, &outcome.InputError{Err: err}
	}
	return to, nil
}

// modeOf returns the permissions of the first results file that exists, for the merged file; 0 without one.
func modeOf(parts []result.Part) (fs.FileMode, error) {
	for _, p := range parts {
		info, err := os.Stat(p.Paths.Results)
		if err == nil {
			return info.Mode().Perm(), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return 0, nil
}

// sameFile reports whether two paths name one existing file.
func sameFile(a, b string) bool {
	first, errA := os.Stat(a)
	second, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(first, second)
}

// same reports whether two paths are equal as absolute paths, whether or not a file exists there.
func same(a, b string) bool {
	a, errA := filepath.Abs(a)
	b, errB := filepath.Abs(b)
	return errA == nil && errB == nil && a == b
}

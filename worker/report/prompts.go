package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"fluxworker/worker/input"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// source is an input, with the settings by which its rows have their names.
type source struct {
	input    input.Input
	requests record.Requests
}

// sources returns the inputs of the report: those that the user named, or else those of the manifests.
func (f *facts) sources() []source {
	newest, _ := f.newest()
	if newest == nil {
		newest = new(record.Manifest)
	}
	var list []source
	for _, path := range f.config.Inputs {
		list = append(list, sourceOf(path, newest.Requests))
	}
	if len(list) > 0 {
		return list
	}
	for _, r := range f.runs {
		if r.manifest == nil || slices.ContainsFunc(list, func(s source) bool { return s.input.Path == r.manifest.Input.Path }) {
			continue
		}
		list = append(list, sourceOf(r.manifest.Input.Path, r.manifest.Requests))
	}
	return list
}

func sourceOf(path string, q record.Requests) source {
	return source{
		input:    input.Input{Path: path, Layout: prompt.Layout{IDColumn: q.IDColumn}, MaxRowBytes: cmp.Or(q.MaxRowBytes, prompt.DefaultMaxRowBytes)},
		requests: q,
	}
}

// findPrompts adds the prompts to the rows that the report shows. It returns the errors of inputs that the user named; the page
// says why prompts of other inputs are missing.
func (f *facts) findPrompts(ctx context.Context) error {
	wanted := f.rows.byName()
	if len(wanted) == 0 {
		return nil
	}
	list := f.sources()
	if len(list) == 0 {
		f.asked = "The output has no record of its input. Name the input with --input."
	}
	for _, s := range list {
		if len(f.config.Inputs) == 0 {
			path, missing := f.find(s.input)
			if missing != "" {
				f.asked = missing
				continue
			}
			s.input.Path = path
		}
		err := s.read(ctx, wanted)
		switch {
		case err == nil:
		case ctx.Err() != nil, len(f.config.Inputs) > 0:
			return err
		default:
			f.asked = fmt.Sprintf("The input cannot be read: %v. Name the input with --input.", err)
		}
	}
	if len(wanted) == 0 {
		f.asked = ""
	}
	return nil
}

// find returns the path of a recorded input: as it is recorded, or from the folder of the output. missing says why it cannot be
// read.
func (f *facts) find(in input.Input) (path, missing string) {
	if in.Path == prompt.Stdin {
		return "", "The input was standard input, which cannot be read again."
	}
	for _, path := range []string{in.Path, filepath.Join(filepath.Dir(f.config.Output), in.Path)} {
		switch at := (input.Input{Path: path}); {
		case at.Rereadable():
			return path, ""
		case at.Once():
			return "", fmt.Sprintf("The input %s could be read only once.", in.Path)
		}
	}
	return "", fmt.Sprintf("The input %s is not there any more. Name the input with --input.", in.Path)
}

// byName returns the rows that the report shows by the part of the key that identifies a row.
func (rs *rows) byName() map[[8]byte][]*shownRow {
	wanted := make(map[[8]byte][]*shownRow)
	add := func(r *shownRow) { wanted[r.key.Name()] = append(wanted[r.key.Name()], r) }
	for _, b := range []*best{rs.sample, rs.longest, rs.shortest, rs.cut, rs.failures} {
		for i := range b.rows {
			add(&b.rows[i].row)
		}
	}
	for _, few := range rs.first {
		for i := range few {
			add(&few[i])
		}
	}
	return wanted
}

// read reads the rows of the input until all wanted rows are found. It takes the found rows out of wanted.
func (s source) read(ctx context.Context, wanted map[[8]byte][]*shownRow) error {
	open, rows, err := s.input.OpenNames(result.Shard{})
	if err != nil {
		return err
	}
	defer open.Close()
	for len(wanted) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		list, ok := wanted[row.Key.Name()]
		if !ok {
			continue
		}
		turns := turnsOf(rows.Input(), s.requests)
		for _, r := range list {
			r.prompt, r.line = turns, row.Line
		}
		delete(wanted, row.Key.Name())
	}
	return nil
}

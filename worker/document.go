package worker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// aim says where the merged rows go.
func (c MergeConfig) aim(o *result.MergeOptions) error {
	if c.Check {
		return nil
	}
	switch c.Format {
	case "", result.Lines:
		to, err := c.target(o.Parts)
		o.To = &to
		return err
	default:
		document, err := c.document(o.Parts)
		o.Document = &document
		return err
	}
}

// document is the file for all rows. It is never one that runs write lines to, the input, or something else than an earlier
// document.
func (c MergeConfig) document(parts []result.Part) (result.Document, error) {
	d := result.Document{Path: c.To, Format: c.Format, Model: modelOf(parts)}
	if d.Path == "" {
		d.Path = result.FileOf(c.Output, c.Format)
	}
	whole, err := result.PathsOf(c.Output, result.Shard{})
	if err != nil {
		return d, &ConfigError{Err: err}
	}
	lines := append(slices.Clone(parts), result.Part{Paths: whole})
	switch {
	case slices.ContainsFunc(lines, func(p result.Part) bool { return same(p.Paths.Results, d.Path) || same(p.Paths.Errors, d.Path) }):
		return d, &ConfigError{Err: fmt.Errorf("%s is for the lines of the output, which a document does not replace; name another file with --to", d.Path)}
	case c.Input != prompt.Stdin && sameFile(c.Input, d.Path):
		return d, &ConfigError{Err: fmt.Errorf("input %s is where the document would go; name another file with --to", c.Input)}
	}
	if err := outsideInput(c.Input, d.Path, "the merged file"); err != nil {
		return d, err
	}
	if !c.Replace {
		if err := d.Replaceable(); err != nil {
			return d, &ConfigError{Err: fmt.Errorf("%w; name another file with --to", err)}
		}
	}
	if d.Mode, err = modeOf(parts); err != nil {
		return d, &InputError{Err: err}
	}
	return d, nil
}

// modelOf is the model of the first part that tells; empty where none does. It is only for rows that were never asked.
func modelOf(parts []result.Part) string {
	for _, p := range parts {
		if p.Paths.Run == "" {
			continue
		}
		if m, err := readManifest(p.Paths); err == nil && m != nil && m.Requests.Model != "" {
			return m.Requests.Model
		}
	}
	return ""
}

// checkDocument refuses a run that could not write its document at the end, before anything is asked.
func (c Config) checkDocument(paths result.Paths) error {
	if paths.Document == "" {
		return nil
	}
	d := result.Document{Path: paths.Document, Format: result.FormatOf(paths.Document)}
	if err := d.Replaceable(); err != nil && !c.Results.Overwrite {
		return &ConfigError{Err: fmt.Errorf("%w; name another file with --output, or drop what is there with --overwrite", err)}
	}
	if info, err := os.Stat(c.Input); c.Input == prompt.Stdin || err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return &ConfigError{Err: fmt.Errorf("output %s has the rows in the order of the input, for which the input is read once more at the end, as %q cannot be; write it to a file first, or name the output %s",
			paths.Document, c.Input, paths.Results)}
	}
	return nil
}

// dropDocument removes the document of lines that are dropped: should the run be stopped, nobody takes its rows for those of
// the new lines. Something else than a document stays until one is written.
func (r *run) dropDocument() error {
	d := result.Document{Path: r.paths.Document}
	if d.Path == "" || d.Replaceable() != nil {
		return nil
	}
	if err := os.Remove(d.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &result.WriteError{Path: d.Path, Err: err}
	}
	return nil
}

// writeDocument writes the document of a run whose rows all have their line, and returns its path. It does so each time that
// a run comes to its end: one that was killed in the middle of it is made up for by the next.
func (r *run) writeDocument(ctx, intake context.Context) (string, error) {
	path := r.paths.Document
	if path == "" {
		return "", nil
	}
	ctx, end := r.inTime(ctx, intake)
	defer end()
	r.log.Info().Str("file", path).Msg("writing all rows in the order of the input") // a million take a quarter of a minute
	m, err := Merge(ctx, MergeConfig{
		Input: r.Input, IDColumn: r.Layout.IDColumn, MaxRowBytes: r.MaxRowBytes, KeepFirst: r.KeepFirst, Output: r.Output, ResumeFrom: r.Results.ResumeFrom,
		Format: result.FormatOf(path), To: path, Replace: r.Results.Overwrite,
	})
	if err != nil {
		return "", fmt.Errorf("%w; every row has its line in %s, so the same command only writes %s", err, r.paths.Results, path)
	}
	if m.Missing > 0 {
		return "", &InputError{Err: fmt.Errorf("read %s: it was changed while its rows were answered: %d of its %d rows have no line now; %s is not written, and the same command goes on",
			r.Input, m.Missing, m.Rows, path)}
	}
	return path, nil
}

// inTime is a context for what follows the last row. It ends with ctx, a grace after a signal, and in time before the job does.
func (r *run) inTime(ctx, intake context.Context) (bounded context.Context, end func()) {
	bounded, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var job, grace <-chan time.Time
		if !r.deadline.At.IsZero() {
			job = time.After(time.Until(r.deadline.At) - min(endReserve, r.Grace/2))
		}
		signalled := intake.Done()
		for {
			select {
			case <-bounded.Done():
				return
			case <-signalled:
				signalled, grace = nil, time.After(r.Grace)
				continue
			case <-grace:
			case <-job:
			}
			cancel()
			r.log.Warn().Str("file", r.paths.Document).Msg("the document is given up: the time is over")
			return
		}
	}()
	return bounded, func() { cancel(); <-ended }
}

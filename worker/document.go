package worker

import (
	"context"
	"fmt"

	"fluxworker/worker/merge"
	"fluxworker/worker/outcome"
	"fluxworker/worker/result"
)

// checkDocument returns an error if the run could not write its document at the end. Error: ConfigError.
func (c Config) checkDocument(paths result.Paths) error {
	if paths.Document == "" {
		return nil
	}
	d := result.Document{Path: paths.Document, Format: result.FormatOf(paths.Document)}
	if err := d.CheckReplaceable(); err != nil && !c.Results.Overwrite {
		return &outcome.ConfigError{Err: fmt.Errorf("%w; name another file with --output, or drop what is there with --overwrite", err)}
	}
	if c.Rows().Once() {
		return &outcome.ConfigError{Err: fmt.Errorf("output %s has the rows in the order of the input, so the run must read the input again at the end, and %q can be read only once; write it to a file first, or name the output %s",
			paths.Document, c.Input, paths.Results)}
	}
	return nil
}

// writeDocument writes the document of a run whose rows all have their line, and returns its path; "" without a document.
// Every complete run writes it, also a run without undone rows: so the next run completes a document whose run was killed.
// Errors: those of merge.Run; InputError where rows have no line.
func (r *run) writeDocument(ctx, intake context.Context) (string, error) {
	path := r.paths.Document
	if path == "" {
		return "", nil
	}
	ctx, end := r.inTime(ctx, intake)
	defer end()
	r.log.Info().Str("file", path).Msg("writing all rows in the order of the input") // a million take a quarter of a minute
	m, err := merge.Run(ctx, merge.Config{
		Input: r.config.Input, IDColumn: r.config.Layout.IDColumn, MaxRowBytes: r.config.MaxRowBytes, KeepFirst: r.config.KeepFirst,
		Output: r.config.Output, ResumeFrom: r.config.Results.ResumeFrom,
		Format: result.FormatOf(path), To: path, Replace: r.config.Results.Overwrite, Columns: r.config.Results.Columns,
		PresentOnly: r.config.Trial.given(),
	})
	if err != nil {
		return "", fmt.Errorf("%w; every row has its line in %s, so the same command only writes %s", err, r.paths.Results, path)
	}
	if m.Missing > 0 && !r.config.Trial.given() {
		return "", &outcome.InputError{Err: fmt.Errorf("read %s: it was changed while its rows were answered: %d of its %d rows have no line now; %s is not written, and the same command goes on",
			r.config.Input, m.Missing, m.Rows, path)}
	}
	return path, nil
}

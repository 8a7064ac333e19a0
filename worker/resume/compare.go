package resume

import (
	"context"
	"errors"
	"fmt"
	"io"

	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// comparison is the comparison of the input with the lines of the output.
type comparison struct {
	same         *result.RowSet // lines whose rows ask the same now
	matched      int64          // number of these lines
	failed       int64          // of these lines, the error lines
	firstChanged error          // names the first row whose line is for another request; nil without one
}

// compare reads the input once and compares the keys of its rows with the lines. Errors: InputError, ConfigError,
// StoppedError.
func (e *Earlier) compare(intake context.Context) (comparison, error) {
	c := comparison{same: e.done.NewRowSet()}
	source, rows, err := e.config.Input.Open(e.config.Shard)
	if err != nil {
		return c, err
	}
	defer source.Close()
	for {
		if intake.Err() != nil {
			return c, outcome.Stopped(intake)
		}
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return c, &outcome.InputError{Err: err}
		}
		switch e.done.State(row.Key) {
		case result.Failed:
			c.failed++
			fallthrough
		case result.Answered:
			c.same.Add(row.Key)
			c.matched++
		case result.ChangedFailed:
			if e.config.RetryFailed {
				continue
			}
			fallthrough
		case result.Changed:
			if c.firstChanged == nil {
				c.firstChanged = e.changedRow(row)
			}
		}
	}
}

// changedRow returns the error of a row that would get a second line.
func (e *Earlier) changedRow(row prompt.Row) error {
	return &outcome.InputError{Err: fmt.Errorf("read %s:%d: row %q has a line from an earlier run, but it asks for something else now; %s",
		e.config.Input.Path, row.Line, row.CustomID, changeChoices)}
}

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
	present      *result.RowSet // lines whose rows are in the input, and own their names
	same         *result.RowSet // lines whose rows ask the same now
	rejected     *result.RowSet // error lines of rows that cannot be asked
	moved        *result.Moves  // rows whose line states another place than the input has now
	found        int64          // number of lines in present
	matched      int64          // number of lines in same
	failed       int64          // of these, the error lines
	rewritten    int64          // number of lines in rejected
	firstChanged error          // names the first row whose line is for another request; nil without one
}

// compare reads the input once and compares the keys of its rows with the lines. Errors: InputError, ConfigError,
// StoppedError.
func (e *Earlier) compare(intake context.Context) (comparison, error) {
	c := comparison{present: e.done.NewRowSet(), same: e.done.NewRowSet(), rejected: e.done.NewRowSet(), moved: e.done.NewMoves()}
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
		state := e.done.State(row.Key)
		if state == result.New {
			continue
		}
		if row.OwnsName() {
			c.found++
			c.present.Add(row.Key)
		}
		c.moved.Add(row)
		if row.Reject != nil && state == result.Failed {
			c.rewritten++
			c.rejected.Add(row.Key)
		}
		switch state {
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

package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// openInput opens the input, unless a signal comes first: a FIFO opens only when somebody writes to it. The goroutine
// that still waits then is left behind, since nothing can wake it, and the process ends soon.
func openInput(intake context.Context, path string, options prompt.Options) (input, error) {
	type opened struct {
		input input
		err   error
	}
	c := make(chan opened, 1)
	go func() {
		var in input
		source, rows, err := OpenRows(path, options)
		if err == nil {
			in = input{source: source, rows: rows, print: source.Fingerprint()}
		}
		c <- opened{in, err}
	}()
	select {
	case o := <-c:
		return o.input, o.err
	case <-intake.Done():
		return input{}, stopped(intake)
	}
}

// reading is the input being read. Reading a pipe can block for as long as its writer likes, and nothing wakes it; so the
// run does not wait for the reader when intake is over, and the reader touches nothing of the run from then on.
type reading struct {
	*run
	intake context.Context
	source *prompt.Source
	rows   *prompt.Reader

	answeredElsewhere int64 // rows

	mu   sync.Mutex // held while a row is dealt with, not while one is waited for
	left bool       // the run goes on without the reader
}

// readerOptions say how the input is read, each time that it is.
func (c Config) readerOptions(shard result.Shard) prompt.Options {
	return prompt.Options{
		Layout: c.Layout, MaxRowBytes: c.MaxRowBytes, Defaults: c.Defaults, KeepFirst: c.KeepFirst,
		Shard: int64(shard.Index), Shards: int64(shard.Count),
	}
}

// read sorts the input's rows until its end or intake's.
func (r *run) read(intake context.Context, from input) error {
	in := &reading{run: r, intake: intake, source: from.source, rows: from.rows}
	ended := make(chan error, 1)
	go func() {
		defer from.source.Close()
		ended <- in.all()
	}()
	select {
	case err := <-ended:
		close(r.pending.rows)
		return err
	case <-intake.Done():
		in.mu.Lock()
		defer in.mu.Unlock()
		in.left = true
		close(r.pending.rows)
		return nil
	}
}

// all deals with every row of the input.
func (in *reading) all() error {
	for first := true; ; first = false {
		row, err := in.rows.Next()
		if first && err == nil && in.rows.TakenForText() {
			in.log.Info().Str("input", in.Input).Msg("the input is taken for text, each of its lines for a prompt; a table needs a name that ends in .csv or .tsv")
		}
		more, err := in.deal(row, err)
		if !more {
			return err
		}
	}
}

// deal finds out what is to become of a row: one that has its line is skipped, one that cannot be asked gets an error
// line, every other is pending.
func (in *reading) deal(row prompt.Row, err error) (more bool, _ error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.left:
		return false, nil
	case errors.Is(err, io.EOF):
		in.inputRows.Store(in.rows.Seen())
		in.counts.allRead.Store(true)
		in.tellLeftOut()
		return false, nil
	case err != nil:
		return false, &InputError{Err: err}
	}
	in.counts.saw(in.source.Offset() - int64(in.rows.Buffered()))
	switch state := in.done.State(row.Key); state {
	case result.Answered:
		in.counts.skipped.Add(1)
		return true, nil
	case result.Failed:
		in.counts.skipped.Add(1)
		in.counts.failedBefore.Add(1)
		return true, nil
	case result.Changed, result.ChangedFailed:
		if in.Results.OnChange == ChangeKeeps {
			in.counts.skipped.Add(1)
			if state == result.ChangedFailed {
				in.counts.failedBefore.Add(1)
			}
			return true, nil
		}
		return false, in.changedRow(row)
	}
	switch in.elsewhere.State(row.Key) {
	case result.Answered:
		in.counts.skipped.Add(1)
		in.answeredElsewhere++
		return true, nil
	case result.Changed:
		if in.Results.OnChange != ChangeKeeps {
			return false, &InputError{Err: fmt.Errorf("read %s:%d: row %q has an answer in a file of --resume-from, but it asks for something else now; leave that file out, or say --on-change keep to leave the answer as it is",
				in.Input, row.Line, row.CustomID)}
		}
		in.counts.skipped.Add(1)
		in.answeredElsewhere++
		return true, nil
	}
	if row.Reject != nil {
		err := in.reject(row)
		return err == nil, err
	}
	in.fit.look(&row)
	in.counts.taken.Add(1)
	return in.pending.put(in.intake, row), nil
}

// tellLeftOut tells of what was neither asked nor answered, at the end of the input.
func (in *reading) tellLeftOut() {
	if n := in.rows.LeftOut(); n > 0 {
		in.log.Warn().Int64("rows", n).Msg("rows were left out: an earlier one has the same custom_id (--dedupe first)")
	}
	if n := in.done.Len() - in.counts.skipped.Load() + in.answeredElsewhere; n > 0 {
		in.log.Warn().Int64("lines", n).Str("output", in.Output).Msg("the output has lines of rows that the input does not have")
	}
}

// reject writes the error line of a row that cannot be asked.
func (r *run) reject(row prompt.Row) error {
	r.counts.fail(r.log, row, row.Reject.Code, row.Reject.Message)
	return r.output.Append(row, nil, &result.Failure{
		Code: row.Reject.Code, Message: row.Reject.Message, Param: row.Reject.Param, Line: row.Line,
	})
}

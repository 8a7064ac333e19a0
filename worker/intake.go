package worker

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/rs/zerolog"

	"fluxworker/worker/dispatch"
	"fluxworker/worker/input"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
	"fluxworker/worker/resume"
)

// reading is the input being read. Reading a pipe can block for as long as its writer likes, and nothing wakes it; so the
// run does not wait for the reader when intake is over, and the reader touches nothing of the run from then on.
type reading struct {
	source *prompt.Source
	rows   *prompt.Reader
	found  record.InputFile

	answeredElsewhere int64 // rows

	mu   sync.Mutex // held while a row is dealt with, not while a row is awaited
	left bool       // the run goes on without the reader
}

// openIntake opens the input, unless a signal comes first: a FIFO opens only when a writer opens it. The goroutine that still
// waits then is left behind, since nothing can wake it, and the process ends soon.
func openIntake(intake context.Context, in input.Input, shard result.Shard) (*reading, error) {
	type opened struct {
		reading *reading
		err     error
	}
	c := make(chan opened, 1)
	go func() {
		source, rows, err := in.Open(shard)
		if err != nil {
			c <- opened{nil, err}
			return
		}
		c <- opened{&reading{source: source, rows: rows, found: record.InputOf(in.Path, source.Fingerprint())}, nil}
	}()
	select {
	case o := <-c:
		return o.reading, o.err
	case <-intake.Done():
		return nil, outcome.Stopped(intake)
	}
}

// logPassedOver says which files of a folder are no rows.
func (in *reading) logPassedOver(log zerolog.Logger) {
	if n, example := in.source.PassedOver(); n > 0 {
		log.Warn().Int64("files", n).Str("example", example).Msg("files of the input's folder are passed over: they are neither text nor image by their names")
	}
}

// read sorts the input's rows until its end or intake's, and closes the queue.
func (r *run) read(intake context.Context, in *reading, queue *dispatch.Queue) error {
	defer queue.Close()
	ended := make(chan error, 1)
	go func() {
		defer in.source.Close()
		ended <- r.readAll(intake, in, queue)
	}()
	select {
	case err := <-ended:
		return err
	case <-intake.Done():
		in.mu.Lock()
		defer in.mu.Unlock()
		in.left = true
		return nil
	}
}

// readAll deals with every row of the input.
func (r *run) readAll(intake context.Context, in *reading, queue *dispatch.Queue) error {
	for first := true; ; first = false {
		row, err := in.rows.Next()
		if first && err == nil && in.rows.TakenForText() {
			r.log.Info().Str("input", r.config.Input).Msg("the input is taken for text, each of its lines for a prompt; a table needs a name that ends in .csv or .tsv")
		}
		more, err := r.deal(intake, in, row, err, queue)
		if !more {
			return err
		}
	}
}

// deal decides what becomes of a row: a row that has its line is skipped, a row that cannot be asked gets an error line,
// every other row goes to the queue.
func (r *run) deal(intake context.Context, in *reading, row prompt.Row, err error, queue *dispatch.Queue) (more bool, _ error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.left:
		return false, nil
	case errors.Is(err, io.EOF):
		r.counters.SawAll(in.rows.Seen())
		r.logLeftOut(in)
		return false, nil
	case err != nil:
		return false, &outcome.InputError{Err: err}
	}
	r.counters.Saw(in.source.Offset() - int64(in.rows.Buffered()))
	decision, elsewhere, err := r.earlier.Decide(row)
	if err != nil {
		return false, err
	}
	if elsewhere {
		in.answeredElsewhere++
	}
	if decision != resume.Ask {
		r.counters.Skip(decision == resume.SkipFailed)
		return true, nil
	}
	if row.Reject != nil {
		err := r.sink.Reject(row, false)
		return err == nil, err
	}
	if r.fit != nil {
		r.fit.Saw(&row)
	}
	r.counters.Take()
	return queue.Push(intake, row), nil
}

// logLeftOut says, at the end of the input, which rows were neither asked nor answered.
func (r *run) logLeftOut(in *reading) {
	if n := in.rows.LeftOut(); n > 0 {
		r.log.Warn().Int64("rows", n).Msg("rows were left out: an earlier one has the same custom_id (--dedupe first)")
	}
	answered, failed := r.earlier.Lines()
	if n := answered + failed - r.counters.Skipped() + in.answeredElsewhere; n > 0 {
		r.log.Warn().Int64("lines", n).Str("output", r.config.Output).Msg("the output has lines of rows that the input does not have")
	}
}

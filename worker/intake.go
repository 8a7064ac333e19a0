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

// reading is the state of reading the input. A read from a pipe can block until its writer writes, and nothing can wake it. So
// the run does not wait for the reader when intake has ended, and the reader changes nothing of the run from then on.
type reading struct {
	source *prompt.Source
	rows   *prompt.Reader
	found  record.InputFile

	answeredElsewhere int64 // rows with an answer in a file of --resume-from

	mu        sync.Mutex // held while a row is handled, not while the reader waits for a row
	abandoned bool       // the run goes on without the reader
}

// openIntake opens the input, unless a signal comes first: a FIFO opens only when a writer opens it. After a signal the
// goroutine that opens the input stays behind: nothing can wake it, and the process ends soon. Errors: InputError, ConfigError,
// StoppedError.
func openIntake(intake context.Context, in input.Input, shard result.Shard, trial Trial) (*reading, error) {
	type opened struct {
		reading *reading
		err     error
	}
	c := make(chan opened, 1)
	go func() {
		o, err := trial.choose(intake, in, in.Options(shard))
		if err != nil {
			c <- opened{nil, err}
			return
		}
		source, rows, err := in.OpenWith(o)
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

// logPassedOver logs the number of files in the input's folder that give no row.
func (in *reading) logPassedOver(log zerolog.Logger) {
	if n, example := in.source.SkippedFiles(); n > 0 {
		log.Warn().Int64("files", n).Str("example", example).Msg("files of the input's folder are passed over: they are neither text nor image by their names")
	}
}

// read handles the rows of the input until the end of the input or of intake, and closes the queue. Errors: InputError;
// result.WriteError for the output.
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
		in.abandoned = true
		return nil
	}
}

// readAll handles every row of the input.
func (r *run) readAll(intake context.Context, in *reading, queue *dispatch.Queue) error {
	said := 0
	for first := true; ; first = false {
		row, err := in.rows.Next()
		if first || err != nil {
			for _, remark := range in.rows.Remarks()[said:] {
				r.log.Info().Str("input", r.config.Input).Msg(remark)
				said++
			}
		}
		more, err := r.handle(intake, in, row, err, queue)
		if !more {
			return err
		}
	}
}

// handle skips a row that has its line, writes the error line of a row that cannot be asked, and sends every other row to the
// queue. err is the error of the reader; io.EOF is the end of the input. more reports whether to read on.
func (r *run) handle(intake context.Context, in *reading, row prompt.Row, err error, queue *dispatch.Queue) (more bool, _ error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.abandoned:
		return false, nil
	case errors.Is(err, io.EOF):
		if in.rows.Limited() {
			r.counters.SawEnough()
			return false, nil
		}
		r.counters.SawAll(in.rows.Seen(), in.rows.Unselected())
		if !r.config.Trial.given() {
			r.logUnmatched(in)
		}
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

// logUnmatched logs, at the end of the input, the number of rows that were left out and of lines without a row.
func (r *run) logUnmatched(in *reading) {
	if n := in.rows.DuplicatesSkipped(); n > 0 {
		r.log.Warn().Int64("rows", n).Msg("rows were left out: an earlier one has the same custom_id (--dedupe first)")
	}
	answered, failed := r.earlier.Lines()
	if n := answered + failed - r.counters.Skipped() + in.answeredElsewhere; n > 0 {
		r.log.Warn().Int64("lines", n).Str("output", r.config.Output).Msg("the output has lines of rows that the input does not have")
	}
}

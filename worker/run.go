package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// ErrStopped means that a signal ended the run with rows left over. The same command goes on with them.
var ErrStopped = errors.New("stopped before the end of the input")

// run is the state of one run. The goroutines of its group share it.
type run struct {
	Config
	log    zerolog.Logger
	output *result.Log
	done   *result.Done
	source *prompt.Source
	counts *Counts

	pending chan prompt.Row // rows to ask, in input order; closed by the reader
	broken  breaker
}

// Run answers the input's rows that have no line yet. The first signal closes drain: rows in flight may finish within
// the grace. The second cancels ctx: everything ends at once. Counts are kept while it runs, for whoever watches.
//
// The summary is valid with and without an error. Errors: ErrStopped; those of prompt for the input, of result for the
// output and of ollama for the server.
func Run(ctx context.Context, c Config, log zerolog.Logger, drain <-chan struct{}, counts *Counts) (Summary, error) {
	started := time.Now()
	paths, err := result.PathsOf(c.Output)
	if err != nil {
		return Summary{}, &ConfigError{Err: err}
	}
	source, err := prompt.Open(c.Input)
	if err != nil {
		return Summary{}, &InputError{Err: err}
	}
	defer source.Close()
	counts.size.Store(source.Size())

	output, done, err := result.Open(paths, c.SyncEvery)
	if errors.Is(err, result.ErrHeld) {
		return Summary{}, fmt.Errorf("%w: %s; wait for that run or choose another --output", err, c.Output)
	}
	if err != nil {
		return Summary{}, err
	}
	r := &run{
		Config: c, log: log, output: output, done: done, source: source, counts: counts,
		// As many rows again as are in flight wait parsed, so that no slot waits for the parser.
		pending: make(chan prompt.Row, inFlight(c.Slots)),
	}
	manifest := r.manifest(started)
	err = manifest.check(paths)
	if err == nil {
		err = r.answer(ctx, drain, paths, manifest)
	}
	// The log's own error is the cause where both failed: its writer ended first.
	if closeErr := output.Close(); closeErr != nil {
		err = closeErr
	}
	s := r.summary(started)
	if err == nil && s.Rows() == 0 {
		err = &InputError{Err: fmt.Errorf("read %s: it holds no rows (%s)", c.Input, prompt.CodeEmptyFile)}
	}
	if writeErr := result.WriteJSON(paths.In("summary.json"), s); err == nil {
		err = writeErr
	}
	return s, err
}

// answer reads, serves and asks until the input ends or something stops it.
func (r *run) answer(ctx context.Context, drain <-chan struct{}, paths result.Paths, m manifest) error {
	g, ctx := errgroup.WithContext(ctx)
	// Intake ends at the first signal, or with the group. What is in flight then has the grace.
	intake, stopIntake := context.WithCancel(ctx)
	defer stopIntake()
	requests, abort := context.WithCancel(ctx)
	defer abort()

	finished := make(chan struct{})
	g.Go(func() error { r.watch(intake, drain, finished, stopIntake, abort); return nil })
	g.Go(func() error { return r.read(intake) })
	g.Go(func() error {
		defer close(finished)
		err := r.serve(intake, requests, paths, m)
		stopIntake() // the reader may have rows left that nobody will take
		return err
	})
	err := g.Wait()
	switch {
	case err != nil:
		return err
	case r.broken.err() != nil:
		return r.broken.err()
	case !r.counts.allRead.Load() || r.counts.unanswered() > 0:
		return ErrStopped
	}
	return nil
}

// watch turns the first signal into the end of intake and, a grace later, of what is in flight.
func (r *run) watch(intake context.Context, drain, finished <-chan struct{}, stopIntake, abort func()) {
	select {
	case <-drain:
	case <-finished:
		return
	case <-intake.Done():
		return
	}
	r.log.Warn().Dur("grace", r.Grace).Msg("signal: no new rows; those in flight may finish (a second signal ends at once)")
	stopIntake()
	grace := time.NewTimer(r.Grace)
	defer grace.Stop()
	select {
	case <-grace.C:
		abort()
	case <-finished:
	}
}

// read sorts the input's rows: those that have their line are skipped, those that cannot be asked get an error line, the
// others are pending.
func (r *run) read(intake context.Context) error {
	defer close(r.pending)
	rows := prompt.NewReader(r.source, prompt.Options{
		Name: r.Input, Format: prompt.FormatOf(r.Input), MaxRowBytes: r.MaxRowBytes, Defaults: r.Defaults,
	})
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			r.counts.allRead.Store(true)
			return nil
		}
		if err != nil {
			return &InputError{Err: err}
		}
		r.counts.saw(r.source.Offset() - int64(rows.Buffered()))
		switch r.done.State(row.Key) {
		case result.Answered:
			r.counts.skipped.Add(1)
			continue
		case result.Changed:
			return &InputError{Err: fmt.Errorf("read %s:%d: row %q was answered before, but it asks for something else now; choose another --output for the changed input",
				r.Input, row.Line, row.CustomID)}
		}
		if row.Reject != nil {
			if err := r.reject(row); err != nil {
				return err
			}
			continue
		}
		select {
		case r.pending <- row:
			r.counts.taken.Add(1)
		case <-intake.Done():
			return nil
		}
	}
}

// reject writes the error line of a row that cannot be asked.
func (r *run) reject(row prompt.Row) error {
	r.counts.fail(r.log, row, row.Reject.Code, row.Reject.Message)
	return r.output.Append(row, nil, &result.Failure{
		Code: row.Reject.Code, Message: row.Reject.Message, Param: row.Reject.Param, Line: row.Line,
	})
}

package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"fluxworker/gpu"
	"fluxworker/worker/result"
)

// run is the state of one run. The goroutines of its group share it.
type run struct {
	Config
	paths  result.Paths
	shard  result.Shard // zero for all of the input
	log    zerolog.Logger
	output *result.Log
	done   *result.Done

	elsewhere *result.Done // rows that other files have answered
	counts    *Counts

	before     *manifest         // of an earlier run into the same output; nil without one
	gpus       []gpu.Device      // those that this process may use
	usedBefore map[string]uint64 // what of them was in use before the first server was started, by UUID
	servers    int               // how many serve at the start
	gpuUse     []GPUUse          // valid once the servers have ended

	manifestMu sync.Mutex
	manifest   manifest // grows as the run learns what it works with

	pending *ahead // rows to ask; closed by the reader
	broken  breaker
	fit     *fit                      // nil where the context is not chosen by the rows
	crew    atomic.Pointer[[]*member] // the servers of the present pass, for the watch of the GPUs

	memory    ledger
	inputRows atomic.Int64 // of all shards; valid once all was read

	deadline Deadline
	rowTimes rowTimes

	limitersMu sync.Mutex
	limiters   []namedLimiter
}

// Run answers the input's rows that have no line yet. The first signal closes drain: rows in flight may finish within
// the grace. The second cancels ctx: everything ends at once. Counts are kept while it runs, for whoever watches.
//
// The summary is valid with and without an error. Errors: ErrStopped; those of prompt for the input, of result for the
// output and of ollama for the server.
func Run(ctx context.Context, c Config, log zerolog.Logger, drain <-chan struct{}, counts *Counts) (Summary, error) {
	started := time.Now()
	intake, wait := c.intake(ctx, drain)
	defer wait()

	shard, deadline, err := c.settlePlace(intake, log)
	if err != nil {
		return Summary{}, err
	}
	paths, err := c.outputPaths(shard)
	if err != nil {
		return Summary{}, err
	}
	in, err := openInput(intake, c.Input, c.readerOptions(shard))
	if err != nil {
		return Summary{}, err
	}
	in.tellPassedOver(log)
	source := in.source
	counts.size.Store(source.Size())
	if !deadline.At.IsZero() {
		counts.ends.Store(deadline.At.Add(-c.Grace).UnixNano())
	}
	r := &run{Config: c, paths: paths, shard: shard, deadline: deadline, log: log, counts: counts, pending: newAhead()}
	r.manifest, r.fit = c.manifest(started, in), r.newFit()
	if err := r.openOutput(intake); err != nil {
		source.Close()
		return Summary{}, r.stoppedOr(intake, err)
	}
	defer r.output.Release()
	if err := r.settle(intake); err != nil {
		source.Close()
		r.output.Close()
		return Summary{}, r.stoppedOr(intake, err)
	}
	summary, err := r.attempt(started, func() error { return r.answer(ctx, intake, in) })
	if err == nil {
		if summary.Document, err = r.writeDocument(ctx, intake); err != nil {
			r.amendOutcome(err)
		}
	}
	return summary, err
}

// stoppedOr is a StoppedError where the end of intake was the reason.
func (r *run) stoppedOr(intake context.Context, err error) error {
	if intake.Err() != nil && errors.Is(err, context.Canceled) {
		return stopped(intake)
	}
	return err
}

// answer reads, serves and asks until the input ends or something stops it.
func (r *run) answer(ctx, intake context.Context, in input) error {
	g, ctx := errgroup.WithContext(ctx)
	requests, abort := context.WithCancel(ctx)
	defer abort()
	intake, stopIntake := context.WithCancelCause(intake)
	defer stopIntake(nil)
	release := context.AfterFunc(ctx, func() { stopIntake(context.Cause(ctx)) }) // a failure of one part ends the others
	defer release()

	finished := make(chan struct{})
	g.Go(func() error { r.watchDeadline(intake, stopIntake); return nil })
	g.Go(func() error { r.boundDrain(ctx, intake, finished, abort); return nil })
	g.Go(func() error { return r.read(intake, in) })
	g.Go(func() error {
		err := r.serve(intake, requests)
		close(finished)
		stopIntake(nil) // the reader may have rows left that nobody will take
		return err
	})
	err := g.Wait()
	var early *StoppedError
	switch {
	case err != nil:
		return err
	case errors.As(context.Cause(intake), &early) && (!r.counts.allRead.Load() || r.counts.unanswered() > r.broken.undone.Load()):
		return early // rows that a server gave up on are not the reason
	case r.broken.err() != nil:
		return r.broken.err()
	case !r.counts.allRead.Load() || r.counts.unanswered() > 0:
		return stopped(intake)
	}
	return nil
}

// boundDrain gives what is in flight its time when a signal or the deadline has ended intake before the rows came to their
// end.
func (r *run) boundDrain(ctx, intake context.Context, finished <-chan struct{}, abort func()) {
	select {
	case <-finished:
		return
	case <-intake.Done():
	}
	select {
	case <-finished: // and that ended intake
		return
	case <-ctx.Done(): // a failure, or a second signal
		return
	default:
	}
	left := r.drainTime(intake)
	r.log.Warn().Err(stopped(intake)).Stringer("grace", left.Round(time.Second)).Msg("no new rows; those in flight may finish (a second signal ends at once)")
	grace := time.NewTimer(left)
	defer grace.Stop()
	select {
	case <-grace.C:
		abort()
	case <-finished:
	}
}

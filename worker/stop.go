package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
)

// Deadline is the end of the job; the zero value is no deadline.
type Deadline struct {
	At     time.Time
	Source string // of the time, for messages
}

// endReserve is the part of the grace for the end of a run, after the last row: to sync, to end the servers, to write the
// summary.
const endReserve = 5 * time.Second

// clockEvery is the time between two checks of the deadline.
const clockEvery = time.Second

// newIntake makes the context of the intake, which ends at the first signal. Its cause is a StoppedError then. stop ends the
// intake and waits for its goroutine.
func newIntake(ctx context.Context, drain <-chan struct{}) (intake context.Context, stop func()) {
	intake, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-drain:
			cancel(outcome.BySignal())
		case <-intake.Done():
		}
	}()
	return intake, func() { cancel(nil); <-ended }
}

// lastRow returns when the last row must have its line; zero without a deadline.
func (r *run) lastRow() time.Time {
	if r.deadline.At.IsZero() {
		return time.Time{}
	}
	return r.deadline.At.Add(-r.config.Grace)
}

// watch calls stop when a row that is taken now may not end before the grace begins: the time until then is at most p95, the
// time of most rows so far. Before the first row p95 is 0, so rows are taken until the grace begins.
func (d Deadline) watch(intake context.Context, grace time.Duration, p95 func() time.Duration, log zerolog.Logger, stop context.CancelCauseFunc) {
	if d.At.IsZero() {
		return
	}
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		needed := p95()
		if left := time.Until(d.At) - grace; left <= needed {
			log.Warn().Time("deadline", d.At).Str("from", d.Source).Stringer("grace", grace).
				Stringer("row_p95", needed.Round(time.Millisecond)).Msg("the job's time comes to its end: no new rows")
			stop(&outcome.StoppedError{Deadline: true, Reason: fmt.Sprintf("the deadline at %s (%s)", d.At.Format(time.TimeOnly), d.Source)})
			return
		}
		select {
		case <-tick.C:
		case <-intake.Done():
			return
		}
	}
}

// drainTime returns the time for rows in flight after intake has ended: the grace, or, after a deadline, the time until the
// job's end, less the reserve.
func (r *run) drainTime(intake context.Context) time.Duration {
	if reason, ok := errors.AsType[*outcome.StoppedError](context.Cause(intake)); ok && reason.Deadline {
		return max(0, time.Until(r.deadline.At)-min(endReserve, r.config.Grace/2))
	}
	return r.config.Grace
}

// boundDrain calls abort when the time for rows in flight is over, after a signal or the deadline has ended intake. It returns
// earlier when finished is closed or ctx ends.
func (r *run) boundDrain(ctx, intake context.Context, finished <-chan struct{}, abort func()) {
	select {
	case <-finished:
		return
	case <-intake.Done():
	}
	select {
	case <-finished: // the last row ended intake
		return
	case <-ctx.Done(): // a failure, or a second signal
		return
	default:
	}
	left := r.drainTime(intake)
	r.observer.note(record.EventDrain, outcome.Stopped(intake).Reason)
	r.log.Warn().Err(outcome.Stopped(intake)).Stringer("grace", left.Round(time.Second)).Msg("no new rows; rows in flight may finish (a second signal ends at once)")
	grace := time.NewTimer(left)
	defer grace.Stop()
	select {
	case <-grace.C:
		abort()
	case <-finished:
	}
}

// inTime returns a context for the work after the last row. It ends with ctx, a grace after a signal, and a reserve before the
// job's end.
func (r *run) inTime(ctx, intake context.Context) (bounded context.Context, end func()) {
	bounded, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var job, grace <-chan time.Time
		if !r.deadline.At.IsZero() {
			job = time.After(time.Until(r.deadline.At) - min(endReserve, r.config.Grace/2))
		}
		signalled := intake.Done()
		for {
			select {
			case <-bounded.Done():
				return
			case <-signalled:
				signalled, grace = nil, time.After(r.config.Grace)
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

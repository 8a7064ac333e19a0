package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/outcome"
)

// Deadline says when the job ends, whatever it is doing; the zero value is never.
type Deadline struct {
	At     time.Time
	Source string // where the time comes from, for people
}

// endReserve is what the end of a run needs of its grace, after the last row: to sync, to end the servers, to write the
// summary.
const endReserve = 5 * time.Second

// clockEvery is the time between two checks whether another row fits.
const clockEvery = time.Second

// newIntake makes the context of what a run does before and beside the rows in flight. It ends at the first signal; later on, the
// deadline can end it, too. The cause says which.
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

// watch ends intake, by stop, when the rows that would be taken now might not come to their end before the grace begins. p95 is
// the time that most rows took so far; while it is 0, the time until the grace is used.
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

// drainTime is how long rows in flight may go on after intake has ended.
func (r *run) drainTime(intake context.Context) time.Duration {
	if reason, ok := errors.AsType[*outcome.StoppedError](context.Cause(intake)); ok && reason.Deadline {
		return max(0, time.Until(r.deadline.At)-min(endReserve, r.config.Grace/2))
	}
	return r.config.Grace
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
	r.log.Warn().Err(outcome.Stopped(intake)).Stringer("grace", left.Round(time.Second)).Msg("no new rows; those in flight may finish (a second signal ends at once)")
	grace := time.NewTimer(left)
	defer grace.Stop()
	select {
	case <-grace.C:
		abort()
	case <-finished:
	}
}

// inTime is a context for what follows the last row. It ends with ctx, a grace after a signal, and in time before the job does.
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

package worker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrStopped means that a run ended early with rows left over. The same command goes on with them. The error is a
// StoppedError.
var ErrStopped = errors.New("stopped before the end of the input")

// StoppedError says why a run ended early.
type StoppedError struct {
	Deadline bool   // the job's time comes to its end; otherwise it was a signal
	Reason   string // for people
}

func (e *StoppedError) Error() string {
	return fmt.Sprintf("stopped by %s before the end of the input; run the same command again to go on", e.Reason)
}

// Is makes a StoppedError an ErrStopped.
func (e *StoppedError) Is(target error) bool { return target == ErrStopped }

// errSignal is the cause by which intake ends at the first signal.
var errSignal = &StoppedError{Reason: "a signal"}

// Deadline is when the job ends whatever it is doing; the zero value is never.
type Deadline struct {
	At     time.Time
	Source string // where the time comes from, for people
}

// endReserve is what the end of a run needs of its grace, after the last row: to sync, to end the servers, to write the
// summary.
const endReserve = 5 * time.Second

// lookAtClock is how often it is asked whether another row fits.
const lookAtClock = time.Second

// intake is the context of what a run does before and beside the rows in flight. It ends at the first signal; later on, the
// deadline can end it, too. The cause says which.
func (c Config) intake(ctx context.Context, drain <-chan struct{}) (intake context.Context, stop func()) {
	intake, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-drain:
			cancel(errSignal)
		case <-intake.Done():
		}
	}()
	return intake, func() { cancel(nil); <-ended }
}

// stopped is the reason why intake has ended early; a second signal is one, too.
func stopped(intake context.Context) error {
	var reason *StoppedError
	if errors.As(context.Cause(intake), &reason) {
		return reason
	}
	return errSignal
}

// watchDeadline ends intake when the rows that would be taken now might not come to their end before the grace begins.
// Most rows so far tell how long one takes; while there are none, the time until the grace is used.
func (r *run) watchDeadline(intake context.Context, stop context.CancelCauseFunc) {
	if r.deadline.At.IsZero() {
		return
	}
	tick := time.NewTicker(lookAtClock)
	defer tick.Stop()
	for {
		needed := r.rowTimes.p95()
		if left := time.Until(r.deadline.At) - r.Grace; left <= needed {
			r.log.Warn().Time("deadline", r.deadline.At).Str("from", r.deadline.Source).Stringer("grace", r.Grace).
				Stringer("row_p95", needed.Round(time.Millisecond)).Msg("the job's time comes to its end: no new rows")
			stop(&StoppedError{Deadline: true, Reason: fmt.Sprintf("the deadline at %s (%s)", r.deadline.At.Format(time.TimeOnly), r.deadline.Source)})
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
	var reason *StoppedError
	if errors.As(context.Cause(intake), &reason) && reason.Deadline {
		return max(0, time.Until(r.deadline.At)-min(endReserve, r.Grace/2))
	}
	return r.Grace
}

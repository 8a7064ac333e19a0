package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"fluxworker/worker/ollama"
)

// outcome is the result of one try of a task.
type outcome int

const (
	done       outcome = iota // the row has its line, is deferred, or is given up for this run
	tryAgain                  // the server failed the request; the task has retries left
	serverLost                // the server was lost while it had the task
	tryOther                  // this server used up the retries; another server may answer
	busy                      // the server asked to wait; the task pauses, and the wait is no retry
)

// overloadPause is the pause of a row after a response with the status 503 that does not say how long to wait.
const overloadPause = time.Second

// maxUnanswered is the number of unanswered rows in a row from which a living server counts as lost.
const maxUnanswered = 3

// try sends one task to the server. A task that is not done keeps its answers only if they are small: the memory for
// answers is for rows that are with a server. An error ends the run.
func (l *Lane) try(ctx context.Context, t *task) (outcome, error) {
	room := l.dispatcher.answers.NewRoom(t.bytes)
	defer room.Release()
	out, err := l.tryWithin(ctx, t, room)
	if t.bytes = room.Bytes(); !room.Small() {
		t.answers, t.bytes = nil, 0
	}
	return out, err
}

// tryWithin sends one task to the server. The answers take the given room.
func (l *Lane) tryWithin(ctx context.Context, t *task, room *ollama.Room) (outcome, error) {
	d := l.dispatcher
	if d.deferrer != nil {
		if deferred, err := d.deferrer.TooLong(&t.row); deferred {
			return done, err
		}
	}
	began, before := time.Now(), l.completed.Load()
	l.asking.Add(1)
	err := l.generate(ctx, t, room)
	l.asking.Add(-1)
	if err == nil {
		l.alive()
		took := time.Since(began)
		d.answered(took)
		if e := t.row.Request.Embedding; e != nil {
			l.pace.note(len(e.Input), took)
		}
		return done, d.sink.Answered(t.row, t.answers, t.retries)
	}
	if refused, ok := errors.AsType[*ollama.RequestError](err); ok {
		l.completed.Add(1)
		l.alive()
		return done, l.refuse(t, refused)
	}
	if invalid, ok := errors.AsType[*invalidOutput](err); ok {
		l.alive()
		if t.retries >= d.config.MaxRetries || deterministic(&t.row.Request) != "" {
			return done, l.refuseInvalid(t, invalid)
		}
		t.invalid++
		d.log.Debug().Str("custom_id", t.row.CustomID).Int("attempt", t.retries+1).Msg("asking again: the answer does not have the form that the row demands")
		return tryAgain, nil
	}
	failed, unavailable := errors.AsType[*ollama.UnavailableError](err)
	switch {
	case isLost(ctx, err):
		return serverLost, nil
	case !unavailable:
		return done, err
	case failed.RetryAfter > 0 && l.postpone(t, failed, failed.RetryAfter):
		return busy, nil
	case l.server.Down(ctx, failed):
		return serverLost, nil
	case failed.RetryAfter == 0 && failed.Status == http.StatusServiceUnavailable && l.limiter.limit.Load() > 1 && l.postpone(t, failed, overloadPause):
		return busy, nil // a full queue, as of SGLang or nginx, or a server that is down: fewer rows at once show which
	}
	return l.retryOrGiveUp(t, err, l.stalled(err, began, before)), nil
}

// postpone gives the task a pause, since the server is busy. It returns false where the pauses of the row are longer than the
// limit of one answer: then the response is a failure like any other.
func (l *Lane) postpone(t *task, e *ollama.UnavailableError, pause time.Duration) bool {
	d := l.dispatcher
	l.limiter.busy(time.Now())
	if t.waited+pause > d.config.RequestTimeout {
		return false
	}
	l.completed.Add(1)
	l.alive()
	t.waited += pause
	t.notBefore = time.Now().Add(pause + rand.N(pause/4+1))
	d.log.Debug().Str("custom_id", t.row.CustomID).Stringer("pause", pause).Err(e).Msg("the server is busy; the row waits without a slot")
	return true
}

// stalled reports whether the server completed no request at all while a request that began then failed with err. before is the
// number of requests that were completed at that time.
func (l *Lane) stalled(err error, began time.Time, before int64) bool {
	return errors.Is(err, ollama.ErrTimeout) && l.completed.Load() == before && time.Since(began) >= l.dispatcher.config.StallTimeout
}

// endStalled ends a server that has stalled. A server that waits for a hung GPU spins, and so seems to work. But it completed
// no request in all that time.
func (l *Lane) endStalled() {
	l.server.End(fmt.Errorf("it hangs: no answer at all within %s (--request-timeout)", l.dispatcher.config.RequestTimeout), false)
}

// alive resets the counts of unanswered rows: the server answers.
func (l *Lane) alive() {
	l.failing.Store(0)
	l.dispatcher.breaker.reset()
}

// refuse defers a row that the server refused, or writes its error line.
func (l *Lane) refuse(t *task, refused *ollama.RequestError) error {
	if d := l.dispatcher.deferrer; d != nil {
		deferred, final, err := d.Refused(&t.row, refused, l.server.Context())
		if deferred || err != nil {
			return err
		}
		refused = final
	}
	return l.dispatcher.sink.Failed(t.row, refused, nil, t.retries)
}

// retryOrGiveUp decides about a task that a living server failed. stalled means that the server completed no request at all
// while the task waited.
func (l *Lane) retryOrGiveUp(t *task, err error, stalled bool) outcome {
	d := l.dispatcher
	if t.retries == 0 { // a few rows that fail at every try are no reason to lower the limit
		l.limiter.failed(time.Now())
	}
	last := t.retries >= d.config.MaxRetries
	switch {
	case stalled && l.server.Own():
		l.endStalled()
		return tryAgain
	case last && l.server.Own() && l.failing.Add(1) >= maxUnanswered:
		// The server lives, but answers no row at all, so the rows are not to blame. Other servers, or a restart, may do
		// better.
		l.server.End(fmt.Errorf("it answers nothing any more: %w", err), true)
		return tryAgain
	case last && t.exhausted < l.others:
		return tryOther
	case last:
		d.log.Error().Str("custom_id", t.row.CustomID).Int("attempts", t.retries+1).Err(err).Msg("the server did not answer; the row stays undone")
		d.breaker.fail(err)
		return done
	}
	d.log.Warn().Str("custom_id", t.row.CustomID).Int("attempt", t.retries+1).Err(err).Msg("asking again")
	return tryAgain
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// verdict is what became of a task that a server had.
type verdict int

const (
	finished verdict = iota // it has its line, or is given up for this run
	again                   // the server failed it; it may be asked once more
	died                    // the server went while it had the task
	passed                  // this server does not answer it; another one may
)

// ask asks a server one task. The error is only for what ends the run.
func (r *run) ask(ctx context.Context, m *member, t *task) (verdict, error) {
	if waits, err := r.putOffLong(&t.row); waits {
		return finished, err
	}
	began, before := time.Now(), m.answered.Load()
	m.asking.Add(1)
	err := r.draw(ctx, m, t)
	m.asking.Add(-1)
	var refused *ollama.RequestError
	var down *ollama.UnavailableError
	var misfit *misfit
	switch {
	case err == nil:
		m.failing.Store(0)
		r.broken.reset()
		r.rowTimes.add(time.Since(began))
		r.counts.answered(t.answers)
		return finished, r.output.Append(t.row, &result.Response{
			StatusCode: http.StatusOK, RequestID: requestID(t.row), Body: ollama.Body(t.row, t.answers), Retries: t.retries,
		}, nil)
	case errors.As(err, &refused):
		m.answered.Add(1)
		m.failing.Store(0)
		r.broken.reset()
		if waits, err := r.putOffRefused(&t.row, refused); waits {
			return finished, err
		}
		refused = r.fit.explain(&t.row, refused, m.context)
		r.counts.asked.Add(1)
		r.counts.fail(r.log, t.row, refused.Code, refused.Message)
		return finished, r.output.Append(t.row, &result.Response{
			StatusCode: refused.Status, RequestID: requestID(t.row), Body: refused.Body(), Retries: t.retries,
		}, nil)
	case errors.As(err, &misfit):
		m.failing.Store(0)
		r.broken.reset()
		if t.retries >= r.MaxRetries || sameAgain(&t.row.Request.Sampling) != "" {
			return finished, r.refuseMisfit(t, misfit)
		}
		t.misfits++
		r.log.Debug().Str("custom_id", t.row.CustomID).Int("attempt", t.retries+1).Msg("asking again: the answer is not of the form that the row wants")
		return again, nil
	case errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errLost):
		return died, nil
	case !errors.As(err, &down):
		return finished, err
	case m.isDown(ctx, down):
		return died, nil
	}
	if t.retries == 0 { // a few rows that fail again and again say nothing about their number
		m.limiter.failed(time.Now())
	}
	switch {
	case errors.Is(err, ollama.ErrTimeout) && m.server != nil && m.answered.Load() == before && time.Since(began) >= r.StallTimeout:
		// One that waits for a hung GPU spins, and so seems to work. But no row at all came to its end for all that time.
		m.end(ending{reason: fmt.Errorf("it hangs: not one answer within %s (--request-timeout)", r.RequestTimeout)})
		return again, nil
	case t.retries >= r.MaxRetries && m.server != nil && m.failing.Add(1) >= maxUnanswered:
		// It lives, but the rows are not to blame when none is answered: others, or a new start, may do better.
		m.end(ending{reason: fmt.Errorf("it answers nothing any more: %w", err), innocent: true})
		return again, nil
	case t.retries >= r.MaxRetries && t.passes < r.servers-1:
		return passed, nil
	case t.retries >= r.MaxRetries:
		r.log.Error().Str("custom_id", t.row.CustomID).Int("attempts", t.retries+1).Err(err).
			Msg("the server did not answer; the row stays undone")
		r.broken.note(err)
		return finished, nil
	}
	r.log.Warn().Str("custom_id", t.row.CustomID).Int("attempt", t.retries+1).Err(err).Msg("asking again")
	return again, nil
}

// requestID names the request in its line, as OpenAI's lines do.
func requestID(row prompt.Row) string {
	return "req_" + row.Key.String()[len("batch_req_"):]
}

// retry makes the task wait before it is asked again: first for so long, then twice as long each time, up to 32 times, and by
// chance up to half of that less, so that tasks which failed together do not come back together.
func (t task) retry(first time.Duration) task {
	d := first << min(t.retries, 5)
	t.retries++
	t.notBefore = time.Now().Add(d - rand.N(d/2+1))
	return t
}

// maxUnanswered is how many rows in a row may stay undone before a living server counts as lost.
const maxUnanswered = 3

// breaker ends a run whose server lives but answers nothing.
type breaker struct {
	inARow atomic.Int64
	undone atomic.Int64
	last   atomic.Pointer[error]
}

func (b *breaker) note(err error) {
	b.last.Store(&err)
	b.undone.Add(1)
	b.inARow.Add(1)
}

func (b *breaker) reset() { b.inARow.Store(0) }

// tripped tells whether to give up. It stays so: rows in flight that still succeed do not bring a lost server back.
func (b *breaker) tripped() bool { return b.inARow.Load() >= maxUnanswered }

// err is why rows stay undone; nil where none does.
func (b *breaker) err() error {
	if b.undone.Load() == 0 {
		return nil
	}
	return &ollama.ServerError{
		Op:  "answer rows",
		Err: fmt.Errorf("%d rows were given up after repeated failures; run the same command again for them and those not yet asked; the last failure: %w", b.undone.Load(), *b.last.Load()),
	}
}

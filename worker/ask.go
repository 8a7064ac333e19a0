package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// ask brings one row to its line. It returns an error only for what ends the run.
func (r *run) ask(ctx context.Context, client *ollama.Client, row prompt.Row) error {
	for attempt := 0; ; attempt++ {
		answer, err := r.attempt(ctx, client, row)
		var refused *ollama.RequestError
		var down *ollama.UnavailableError
		switch {
		case err == nil:
			r.broken.reset()
			r.counts.answered(answer)
			return r.output.Append(row, &result.Response{
				StatusCode: 200, RequestID: requestID(row), Body: answer.Completion(row),
			}, nil)
		case errors.As(err, &refused):
			r.broken.reset()
			r.counts.asked.Add(1)
			r.counts.fail(r.log, row, refused.Code, refused.Message)
			return r.output.Append(row, &result.Response{
				StatusCode: refused.Status, RequestID: requestID(row), Body: refused.Body(),
			}, nil)
		case !errors.As(err, &down):
			return err
		case attempt == r.MaxRetries:
			r.log.Error().Str("custom_id", row.CustomID).Int("attempts", attempt+1).Err(err).
				Msg("the server did not answer; the row stays undone")
			r.broken.note(err)
			return nil
		}
		r.log.Warn().Str("custom_id", row.CustomID).Int("attempt", attempt+1).Err(err).Msg("asking again")
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

func (r *run) attempt(ctx context.Context, client *ollama.Client, row prompt.Row) (*ollama.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, r.RequestTimeout)
	defer cancel()
	return client.Ask(ctx, row.Request)
}

// requestID names the request in its line, as OpenAI's lines do.
func requestID(row prompt.Row) string {
	return "req_" + row.Key.String()[len("batch_req_"):]
}

// pause waits before the next attempt: twice as long each time, up to 8 s, and by chance up to half of that less, so
// that rows which failed together do not come back together.
func pause(ctx context.Context, attempt int) error {
	d := 250 * time.Millisecond << min(attempt, 5)
	timer := time.NewTimer(d - rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Canceled
	}
}

// maxUnanswered is how many rows in a row may stay undone before the server counts as lost. One is not enough: a row can
// be what takes the server down.
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

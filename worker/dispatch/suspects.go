package dispatch

import (
	"context"
	"errors"
	"fmt"

	"fluxworker/worker/ollama"
)

// deathsToSuspect is how many servers a task may be with when they die before it is asked alone.
const deathsToSuspect = 2

// CodePoisonRow is the code of a row that takes servers down.
const CodePoisonRow = "poison_row"

// diedWith takes back a task that the server had when it died.
func (l *Lane) diedWith(t task) {
	if l.server.Blameless() {
		l.queue.giveBack(t)
		return
	}
	t.deaths++
	if t.deaths < deathsToSuspect {
		l.queue.giveBack(t)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.suspects = append(l.suspects, t)
}

// askSuspects asks the suspects one after the other, with nothing else in flight on this server. A suspect that takes the
// server down even so is the cause, and gets an error line. It returns errLost when the server is gone.
func (l *Lane) askSuspects(ctx context.Context) error {
	for len(l.suspects) > 0 {
		if l.server.Ending() {
			return errLost // for a reason of its own: no suspect is to be asked, and blamed, while it goes
		}
		t := l.suspects[0]
		out, err := l.try(ctx, &t)
		l.suspects = l.suspects[1:]
		switch {
		case err != nil:
			l.queue.finish()
			return err
		case out == serverLost && l.server.Blameless():
			l.queue.giveBack(t)
			return errLost
		case out == serverLost:
			l.server.Exempt(t.deaths)
			err := l.dispatcher.sink.Failed(t.row, &ollama.RequestError{
				Code:    CodePoisonRow,
				Message: fmt.Sprintf("the server died %d times while it had this row, the last time when it had no other", t.deaths+1),
			}, nil, t.retries)
			l.queue.finish()
			if err != nil {
				return err
			}
			return errLost
		case out == tryAgain, out == tryOther:
			l.queue.giveBack(t.retry(l.dispatcher.config.RetryDelay))
		default:
			l.queue.finish()
		}
	}
	return nil
}

// giveUpSuspects leaves the suspects undone: another server is not to be harmed by them.
func (l *Lane) giveUpSuspects(cause error) {
	for range l.suspects {
		l.dispatcher.breaker.giveUp(cause)
		l.queue.finish()
	}
	l.suspects = nil
}

// isLost reports whether a request was cancelled because its server is gone.
func isLost(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errLost)
}

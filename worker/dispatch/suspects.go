package dispatch

import (
	"context"
	"errors"
	"fmt"

	"fluxworker/worker/ollama"
)

// deathsToSuspect is the number of deaths of servers from which a task that was with each of them is a suspect.
const deathsToSuspect = 2

// CodePoisonRow is the error code of a row that takes servers down.
const CodePoisonRow = "poison_row"

// diedWith takes back a task that the server had when it died: into the queue, or among the suspects.
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

// askSuspects asks the suspects one after the other, with no other row in flight on this server. A suspect that takes the
// server down alone is the cause, and gets an error line. askSuspects returns errLost when the server is gone.
func (l *Lane) askSuspects(ctx context.Context) error {
	for len(l.suspects) > 0 {
		if l.server.Ending() {
			return errLost // this run ends the server: a suspect that is asked now would get the blame
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
				Message: fmt.Sprintf("the server died %d times while it had this row, the last time without another row", t.deaths+1),
			}, nil, t.retries)
			l.queue.finish()
			if err != nil {
				return err
			}
			return errLost
		case out == busy:
			l.queue.giveBack(t)
		case out == tryAgain, out == tryOther:
			l.queue.giveBack(t.retry(l.dispatcher.config.RetryDelay))
		default:
			l.queue.finish()
		}
	}
	return nil
}

// giveUpSuspects leaves the suspects undone: they could take another server down.
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

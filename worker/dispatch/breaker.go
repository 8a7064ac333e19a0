package dispatch

import (
	"fmt"
	"sync/atomic"

	"fluxworker/worker/ollama"
)

// breaker ends a run whose server lives but answers nothing.
type breaker struct {
	inARow atomic.Int64          // rows that living servers left undone since the last answer
	open   atomic.Bool           // no row is asked any more
	undone atomic.Int64          // rows that stay undone
	last   atomic.Pointer[error] // why the last of these stays undone
}

// giveUp counts a row that stays undone.
func (b *breaker) giveUp(err error) {
	b.last.Store(&err)
	b.undone.Add(1)
}

// fail counts a row that stays undone although its server lives.
func (b *breaker) fail(err error) {
	b.giveUp(err)
	if b.inARow.Add(1) >= maxUnanswered {
		b.open.Store(true)
	}
}

func (b *breaker) reset() { b.inARow.Store(0) }

// tripped reports whether maxUnanswered rows in a row stayed undone. It stays so: a late answer to a row in flight does not
// bring back the askers that have left.
func (b *breaker) tripped() bool { return b.open.Load() }

// err returns why rows stay undone; nil without undone rows.
func (b *breaker) err() error {
	if b.undone.Load() == 0 {
		return nil
	}
	return &ollama.ServerError{
		Op:  "answer rows",
		Err: fmt.Errorf("%d rows were given up after repeated failures; run the same command again for these rows and the rows that were not asked yet; the last failure: %w", b.undone.Load(), *b.last.Load()),
	}
}

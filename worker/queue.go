package worker

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// task is a row on its way through the servers.
type task struct {
	row       prompt.Row
	retries   int              // how often it was asked again after a failure of a server, or an answer that was none
	misfits   int              // how often an answer was not of the form that the row wants
	answers   []*ollama.Answer // those that the row has so far; it may want several
	passes    int              // how often a server used up its retries
	deaths    int              // how often a server died that had it
	notBefore time.Time        // when it may be asked again
}

// mostPausing is how many tasks may wait for their next try before no new row is taken: a server that fails at once whatever
// it is asked must not make us hold the whole input.
const mostPausing = 256

// queue hands tasks to the servers. A task stays with the queue until its taker says that it is done; one that comes back,
// because the server failed, goes to the next taker, after its pause and before new rows. So out is closed only when no
// task can come back any more. A task that pauses holds no slot.
type queue struct {
	out   chan task
	back  chan task
	open  atomic.Int64  // tasks that came from pending and are not done
	idle  chan struct{} // holds a token when open was 0
	ended chan struct{} // closed when run has returned: nobody listens any more

	complete bool // every row was done; valid after ended
}

func newQueue() *queue {
	return &queue{out: make(chan task), back: make(chan task), idle: make(chan struct{}, 1), ended: make(chan struct{})}
}

// run moves rows to out, in order, until those that wait parsed are at their end and every task is done, or the context ends.
func (q *queue) run(ctx context.Context, first prompt.Row, from *ahead) {
	defer close(q.ended)
	defer close(q.out)
	waiting := []task{{row: first}}
	q.open.Store(1)
	var pausing []task // soonest first
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	pending := (<-chan prompt.Row)(from.rows)
	for pending != nil || q.open.Load() > 0 {
		if ctx.Err() != nil {
			return // select would choose by chance
		}
		for len(pausing) > 0 && !time.Now().Before(pausing[0].notBefore) {
			waiting = slices.Insert(waiting, 0, pausing[0])
			pausing = pausing[1:]
		}
		if len(pausing) > 0 {
			timer.Reset(time.Until(pausing[0].notBefore))
		}
		var out chan<- task
		var head task
		in := pending
		if len(waiting) > 0 {
			out, head, in = q.out, waiting[0], nil
		}
		if len(pausing) >= mostPausing {
			in = nil
		}
		select {
		case row, ok := <-in:
			if !ok {
				pending = nil
				continue
			}
			from.taken(&row)
			q.open.Add(1)
			waiting = append(waiting, task{row: row})
		case out <- head:
			waiting = waiting[1:]
		case t := <-q.back:
			at, _ := slices.BinarySearchFunc(pausing, t, func(a, b task) int { return a.notBefore.Compare(b.notBefore) })
			pausing = slices.Insert(pausing, at, t)
		case <-q.idle:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
	q.complete = true
}

// isDone tells whether the queue came to its end because every row was done.
func (q *queue) isDone() bool {
	select {
	case <-q.ended:
		return q.complete
	default:
		return false
	}
}

// finish says that a task has its line, or that nobody is to ask it again in this run.
func (q *queue) finish() {
	if q.open.Add(-1) > 0 {
		return
	}
	select {
	case q.idle <- struct{}{}:
	default:
	}
}

// giveBack returns a task that was not answered.
func (q *queue) giveBack(t task) {
	select {
	case q.back <- t:
	case <-q.ended:
	}
}

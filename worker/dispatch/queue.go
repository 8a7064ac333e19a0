package dispatch

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// task is a row on its way through the servers.
type task struct {
	row       prompt.Row
	retries   int              // how often it was asked again after a failure of a server, or an invalid answer
	invalid   int              // how often an answer had not the form that the row wants
	answers   []*ollama.Answer // those that the row has so far; it may want several
	passes    int              // how often a server used up its retries
	deaths    int              // how often a server died that had it
	notBefore time.Time        // when it may be asked again
}

// maxPausing is how many tasks may wait for their next try before no new row is taken: a server that fails at once whatever
// it is asked must not make us hold the whole input.
const maxPausing = 256

// Queue hands the rows of a pass to the lanes. A task stays with the queue until its lane says that it is done; a task that comes
// back, because the server failed, goes to the next lane, after its pause and before new rows. So out is closed only when
// no task can come back any more.
type Queue struct {
	rows  *prefetch
	first *prompt.Row // that WaitFirst has taken
	out   chan task
	back  chan task
	open  atomic.Int64  // tasks that came from rows and are not done
	idle  chan struct{} // holds a token when open was 0
	ended chan struct{} // closed when run has returned: nobody listens any more

	complete bool // every row was done; valid after ended
}

// NewQueue makes an empty queue.
func NewQueue() *Queue {
	return &Queue{rows: newPrefetch(), out: make(chan task), back: make(chan task), idle: make(chan struct{}, 1), ended: make(chan struct{})}
}

// Push adds a row once there is room for it. It returns false when the context ends first.
func (q *Queue) Push(ctx context.Context, row prompt.Row) bool { return q.rows.push(ctx, row) }

// Close says that no row is pushed any more.
func (q *Queue) Close() { close(q.rows.rows) }

// WaitFirst waits for the first row, which stays in the queue. It returns false where there is none, or the context ends first. It is
// called at most once, before the queue is given to a Dispatcher.
func (q *Queue) WaitFirst(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false // select would choose by chance
	}
	select {
	case row, ok := <-q.rows.rows:
		if ok {
			q.rows.release(&row)
			q.first = &row
		}
		return ok
	case <-ctx.Done():
		return false
	}
}

// run moves rows to out, in order, until they are at their end and every task is done, or the context ends.
func (q *Queue) run(ctx context.Context) {
	defer close(q.ended)
	defer close(q.out)
	var waiting []task
	if q.first != nil {
		waiting = append(waiting, task{row: *q.first})
		q.open.Store(1)
	}
	var pausing []task // soonest first
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	pending := (<-chan prompt.Row)(q.rows.rows)
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
		if len(pausing) >= maxPausing {
			in = nil
		}
		select {
		case row, ok := <-in:
			if !ok {
				pending = nil
				continue
			}
			q.rows.release(&row)
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

// isDone reports whether the queue came to its end because every row was done.
func (q *Queue) isDone() bool {
	select {
	case <-q.ended:
		return q.complete
	default:
		return false
	}
}

// finish says that a task has its line, or is given up for this run.
func (q *Queue) finish() {
	if q.open.Add(-1) > 0 {
		return
	}
	select {
	case q.idle <- struct{}{}:
	default:
	}
}

// giveBack returns a task that was not answered.
func (q *Queue) giveBack(t task) {
	select {
	case q.back <- t:
	case <-q.ended:
	}
}

// retry makes the task wait before it is asked again: first for so long, then twice as long each time, up to 32 times, and by
// chance up to half of that less, so that tasks which failed together do not come back together.
func (t task) retry(first time.Duration) task {
	d := first << min(t.retries, 5)
	t.retries++
	t.notBefore = time.Now().Add(d - rand.N(d/2+1))
	return t
}

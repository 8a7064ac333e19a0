package dispatch

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
)

// task is a row on its way through the servers.
type task struct {
	row       prompt.Row
	prefix    prompt.Prefix
	retries   int              // after failures of the present server, and after invalid answers
	invalid   int              // answers that did not have the form that the row demands
	answers   []*ollama.Answer // so far; the row may demand several
	bytes     int64            // of answers, as ollama.Room counts them
	exhausted int              // servers that used up all retries
	deaths    int              // servers that died while they had the row
	notBefore time.Time        // the end of the pause before the next try
	waited    time.Duration    // for a busy server
	alone     bool             // it shares no request: a request with its texts and those of other rows failed
}

// maxPausing is the number of tasks in a pause from which no new row is taken: with a server that fails every request at
// once, the whole input would otherwise end up in memory.
const maxPausing = 256

// Order says in which order rows are asked.
type Order struct {
	// AsInput asks the rows in the order of the input. Otherwise rows that share a prefix are asked one after the other.
	AsInput bool
	// LookAhead limits the rows among which the queue looks for a shared prefix, in bytes; at least one row waits.
	LookAhead int64
}

// Queue distributes the rows of a pass to the askers of the lanes. A task belongs to the queue until its lane reports it as
// done. A task that comes back, because the server failed, goes to the next asker, after its pause and before new rows. So the
// queue ends only when no task can come back any more.
type Queue struct {
	order Order
	seed  maphash.Seed // of the prefixes
	rows  *prefetch
	first *prompt.Row // taken by WaitFirst; nil if WaitFirst was not called
	asks  chan *asker
	joins chan joining
	back  chan task
	open  atomic.Int64  // tasks that came from rows and are not done
	idle  chan struct{} // holds a token when open was 0
	ended chan struct{} // closed when run has returned: back has no receiver any more

	complete bool                  // every row was done; valid after ended
	shared   record.SharedPrefixes // valid after ended
}

// NewQueue makes an empty queue.
func NewQueue(o Order) *Queue {
	return &Queue{
		order: o, seed: maphash.MakeSeed(), rows: newPrefetch(), asks: make(chan *asker), joins: make(chan joining),
		back: make(chan task),
		idle: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

// Push waits for room and adds a row. It returns false when the context ends first.
func (q *Queue) Push(ctx context.Context, row prompt.Row) bool { return q.rows.push(ctx, row) }

// Close marks the end of the rows: no call of Push may follow.
func (q *Queue) Close() { close(q.rows.rows) }

// WaitFirst waits for the first row, which stays in the queue. It returns false when the queue is empty at its end, or the
// context ends first. The caller may call it once, before the queue goes to a Dispatcher.
func (q *Queue) WaitFirst(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false // select would choose at random
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

// run gives rows to the askers until every row was given and every task is done, or the context ends.
func (q *Queue) run(ctx context.Context) {
	defer close(q.ended)
	w, askers := newWindow(q.order.LookAhead), new(askers)
	defer func() { q.shared = w.met() }() // before ended
	if q.first != nil {
		w.add(task{row: *q.first, prefix: q.prefixOfRow(q.first)}, false)
		q.open.Store(1)
	}
	var pausing []task // soonest first
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	pending := (<-chan prompt.Row)(q.rows.rows)
	take := func(row prompt.Row, ok bool) {
		if !ok {
			pending = nil
			return
		}
		q.rows.release(&row)
		q.open.Add(1)
		w.add(task{row: row, prefix: q.prefixOfRow(&row)}, false)
	}
	for pending != nil || q.open.Load() > 0 {
		if ctx.Err() != nil {
			return // select would choose at random
		}
		for len(pausing) > 0 && !time.Now().Before(pausing[0].notBefore) {
			w.add(pausing[0], true)
			pausing = pausing[1:]
		}
		if len(pausing) > 0 {
			timer.Reset(time.Until(pausing[0].notBefore))
		}
		rows := pending
		if w.full() || len(pausing) >= maxPausing {
			rows = nil
		}
		select { // rows that have been read come before the choice among them
		case row, ok := <-rows:
			take(row, ok)
			continue
		default:
		}
		next := askers.next(w)
		select {
		case row, ok := <-rows:
			take(row, ok)
		case next.reply <- next.task:
			w.remove(next.index)
			askers.serve(next)
		case a := <-q.asks:
			askers.add(a)
		case j := <-q.joins:
			j.reply <- w.join(j, len(w.tasks)/askers.living(), q.order.AsInput)
		case <-next.gone:
			askers.remove(next.asker)
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

// isDone reports whether the queue has ended with every row done.
func (q *Queue) isDone() bool {
	select {
	case <-q.ended:
		return q.complete
	default:
		return false
	}
}

// finish reports a task as done: the row has its line, is deferred, or is given up for this run.
func (q *Queue) finish() {
	if q.open.Add(-1) > 0 {
		return
	}
	select {
	case q.idle <- struct{}{}:
	default:
	}
}

// giveBack returns an unanswered task to the queue.
func (q *Queue) giveBack(t task) {
	select {
	case q.back <- t:
	case <-q.ended:
	}
}

// retry returns the task with one more retry and a pause before it: first at the first retry, twice as long at each further
// retry, up to 32 times, less a random part of up to a half, so that tasks which failed together do not come back together.
func (t task) retry(first time.Duration) task {
	d := first << min(t.retries, 5)
	t.retries++
	t.notBefore = time.Now().Add(d - rand.N(d/2+1))
	return t
}

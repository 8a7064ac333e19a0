package worker

import (
	"context"

	"fluxworker/worker/prompt"
)

// queue hands rows to the servers. A row stays with the queue until its taker says that it is done; one that comes back,
// because its server was lost, goes to the next taker. So out is closed only when no row can come back any more.
type queue struct {
	out   chan prompt.Row
	back  chan prompt.Row
	done  chan struct{}
	ended chan struct{} // closed when run has returned: nobody listens any more

	complete bool // every row was done; valid after ended
}

func newQueue() *queue {
	return &queue{out: make(chan prompt.Row), back: make(chan prompt.Row), done: make(chan struct{}), ended: make(chan struct{})}
}

// run moves rows from pending to out, in order, until pending is closed and every row is done, or the context ends. What
// came back goes first.
func (q *queue) run(ctx context.Context, first prompt.Row, pending <-chan prompt.Row) {
	defer close(q.ended)
	defer close(q.out)
	waiting := []prompt.Row{first}
	outside := 0
	for pending != nil || len(waiting) > 0 || outside > 0 {
		var out chan<- prompt.Row
		var head prompt.Row
		in := pending
		if len(waiting) > 0 {
			out, head, in = q.out, waiting[0], nil
		}
		if ctx.Err() != nil {
			return // select would choose by chance
		}
		select {
		case row, ok := <-in:
			if !ok {
				pending = nil
				continue
			}
			waiting = append(waiting, row)
		case out <- head:
			waiting = waiting[1:]
			outside++
		case row := <-q.back:
			waiting = append(waiting, row)
			outside--
		case <-q.done:
			outside--
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

// finish says that a row has its line, or that nobody is to ask it again in this run.
func (q *queue) finish() {
	select {
	case q.done <- struct{}{}:
	case <-q.ended:
	}
}

// giveBack returns a row that was not answered.
func (q *queue) giveBack(row prompt.Row) {
	select {
	case q.back <- row:
	case <-q.ended:
	}
}

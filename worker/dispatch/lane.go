package dispatch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"fluxworker/batcher"
)

// Lane is the traffic of one server.
type Lane struct {
	dispatcher *Dispatcher
	queue      *Queue
	server     Server
	others     int      // the other servers of the run
	limiter    *limiter // nil before the first row is asked

	asking    atomic.Int64 // rows that are with the server now
	completed atomic.Int64 // requests that the server completed, successful or failed, since the lane began
	failing   atomic.Int64 // rows in a row that the server did not answer
	pace      pace         // of texts that become vectors
	slots     atomic.Int64 // of the server; 0 while it does not serve
	context   atomic.Int64 // of a slot, in tokens

	mu       sync.Mutex
	suspects []task
}

// InFlight returns the number of rows that are with the server.
func (l *Lane) InFlight() int64 { return l.asking.Load() }

// Completed returns the number of requests that the server has completed, successful or failed.
func (l *Lane) Completed() int64 { return l.completed.Load() }

// Serve asks the suspects and then keeps the server's slots full, until the queue is at its end or the server is lost. An
// error ends the run.
func (l *Lane) Serve(ctx context.Context) (lost bool, err error) {
	own, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel(nil)
	watch.Go(func() {
		select {
		case <-l.server.Lost():
			cancel(errLost)
		case <-own.Done():
		}
	})
	l.failing.Store(0)
	l.context.Store(int64(l.server.Context()))
	l.slots.Store(int64(l.server.Slots()))
	defer l.slots.Store(0)
	if err = l.askSuspects(own); err == nil {
		err = l.askAll(own)
	}
	if errors.Is(err, errLost) || errors.Is(context.Cause(own), errLost) {
		return true, nil // Run notices a lost output by itself
	}
	return false, err
}

// askAll asks rows with as many askers as rows may be in flight.
func (l *Lane) askAll(own context.Context) error {
	slots := l.server.Slots()
	if l.limiter == nil || l.limiter.planned != batcher.InFlight(slots) {
		l.limiter = l.dispatcher.addLimiter(l.server.Name(), slots)
	}
	rows, ctx := errgroup.WithContext(own)
	for number := range l.limiter.most {
		atDoor := number >= slots && !l.dispatcher.config.FindSlots // of a server whose slots are known
		rows.Go(func() error { return l.askRows(newAsker(ctx, atDoor), number) })
	}
	return rows.Wait()
}

// askRows is one asker: it asks one row after the other until the queue is at its end or the server is gone. Askers have
// numbers from 0.
func (l *Lane) askRows(a *asker, number int) error {
	ctx, d, q := a.ctx, l.dispatcher, l.queue
	for {
		l.limiter.acquire(ctx, number, q.ended)
		if l.server.Ending() {
			return errLost
		}
		t, ok := q.take(a)
		if !ok {
			return ctx.Err() // nil at the end of the queue
		}
		if d.breaker.tripped() {
			q.finish()
			l.limiter.end() // nothing else wakes the askers that wait
			return nil
		}
		if l.isLost() { // the task may be back from the end of this server, which would count twice
			q.giveBack(t)
			return errLost
		}
		if companions := l.companions(ctx, &t); len(companions) > 0 {
			err := l.askTogether(ctx, append([]task{t}, companions...))
			if err != nil {
				return err
			}
			continue
		}
		if err := l.askAlone(ctx, t); err != nil {
			return err
		}
	}
}

// isLost reports whether the server is gone.
func (l *Lane) isLost() bool {
	select {
	case <-l.server.Lost():
		return true
	default:
		return false
	}
}

// askAlone asks one row, and gives its task back to the queue, or ends the task.
func (l *Lane) askAlone(ctx context.Context, t task) error {
	d, q := l.dispatcher, l.queue
	out, err := l.try(ctx, &t)
	switch out {
	case serverLost:
		l.diedWith(t)
		return errLost
	case tryAgain:
		q.giveBack(t.retry(d.config.RetryDelay))
	case busy:
		q.giveBack(t)
	case tryOther:
		t.retries, t.exhausted = 0, t.exhausted+1
		q.giveBack(t.retry(d.config.RetryDelay))
	default:
		q.finish()
	}
	return err
}

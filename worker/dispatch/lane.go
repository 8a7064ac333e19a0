package dispatch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"fluxworker/batcher"
)

// Lane is the traffic of one server: the rows that are with it.
type Lane struct {
	dispatcher *Dispatcher
	queue      *Queue
	server     Server
	others     int // servers of the same run
	limiter    *limiter

	asking    atomic.Int64 // rows that are with the server now
	completed atomic.Int64 // requests that came to an end, good or bad, since the run began
	failing   atomic.Int64 // rows in a row that the server did not answer

	mu       sync.Mutex
	suspects []task // tasks that the server had each time when it died
}

// InFlight returns how many rows are with the server.
func (l *Lane) InFlight() int64 { return l.asking.Load() }

// Completed returns how many requests the server has brought to an end, good or bad.
func (l *Lane) Completed() int64 { return l.completed.Load() }

// Serve keeps the server's slots full until the queue is at its end, or the server is lost. First it asks the suspects.
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
	if err = l.askSuspects(own); err == nil {
		err = l.askAll(own)
	}
	if errors.Is(err, errLost) || errors.Is(context.Cause(own), errLost) {
		return true, nil // a lost output, too, is noticed by Run
	}
	return false, err
}

// askAll asks rows through as many askers as may be in flight.
func (l *Lane) askAll(own context.Context) error {
	slots := l.server.Slots()
	if l.limiter == nil || l.limiter.planned != batcher.InFlight(slots) {
		l.limiter = l.dispatcher.addLimiter(l.server.Name(), slots)
	}
	rows, ctx := errgroup.WithContext(own)
	for number := range batcher.InFlight(slots) {
		rows.Go(func() error { return l.askRows(ctx, number) })
	}
	return rows.Wait()
}

// askRows asks one row after the other until the queue is at its end, or the server is gone. The number is that of the
// asker, from 0.
func (l *Lane) askRows(ctx context.Context, number int) error {
	d, q := l.dispatcher, l.queue
	for {
		l.limiter.acquire(ctx, number, q.ended)
		if l.server.Ending() {
			return errLost // not one more row for it
		}
		select {
		case t, ok := <-q.out:
			if !ok {
				return nil
			}
			if d.breaker.tripped() {
				q.finish()
				l.limiter.end() // the askers that wait would never hear of it
				return nil
			}
			out, err := l.try(ctx, &t)
			switch out {
			case serverLost:
				l.diedWith(t)
				return errLost
			case tryAgain:
				q.giveBack(t.retry(d.config.RetryDelay))
			case tryOther:
				t.retries, t.passes = 0, t.passes+1
				q.giveBack(t.retry(d.config.RetryDelay))
			default:
				q.finish()
			}
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

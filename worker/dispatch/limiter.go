package dispatch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/batcher"
)

const (
	// maxFailureShare is the share of failed requests above which the limit is lowered. Below this share, retries suffice.
	maxFailureShare = 0.2
	// minFailures is the number of failures below which the limit stays: a few failures at the start are no trend.
	minFailures = 8
	// windowRounds is the length of a window of counts, in answers for each row of the limit: failures are compared with the
	// answers around them.
	windowRounds = 16
	// lowered is the time until a lowered limit is raised again: the cause, such as full memory, may be gone by then.
	lowered = 10 * time.Minute
	// busyRound is the time within which several busy responses count as one: they are of requests that were sent together.
	busyRound = time.Second
	// growRounds is the number of answers, for each row of the limit, after which a limit that busy responses have lowered grows.
	growRounds = 4
)

// limiter bounds the number of rows that are with one server at once. It begins with the planned number, lowers it while
// the server fails many requests, down to a quarter, and raises it to the planned number after a while. A server that is busy gets
// fewer, down to one, and more again by small steps. Each asker of the
// server has a number from 0; the askers above the limit wait.
type limiter struct {
	planned int // the slots, and the look-ahead
	log     zerolog.Logger
	limit   atomic.Int64
	answers atomic.Int64 // in this window
	over    chan struct{}
	end     func() // releases every waiting asker for good

	mu       sync.Mutex
	changed  chan struct{} // closed and renewed with each change of the limit
	failures int64         // in this window
	since    time.Time     // of the last lowering
	growing  bool          // the server was busy: the limit grows by small steps, and not at once
}

func newLimiter(slots int, log zerolog.Logger) *limiter {
	l := &limiter{planned: batcher.InFlight(slots), log: log, changed: make(chan struct{}), over: make(chan struct{})}
	l.limit.Store(int64(l.planned))
	l.end = sync.OnceFunc(func() { close(l.over) })
	return l
}

// acquire blocks until the asker with this number may take a row, the context ends, ended is closed, or the limiter ends.
func (l *limiter) acquire(ctx context.Context, number int, ended <-chan struct{}) {
	for int64(number) >= l.limit.Load() {
		l.mu.Lock()
		changed, limit := l.changed, l.limit.Load()
		l.mu.Unlock()
		if int64(number) < limit {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-l.over:
			return
		case <-ended:
			return
		}
	}
}

// answered counts an answer, and raises a limit that was lowered long enough ago.
func (l *limiter) answered(now time.Time) {
	answers, limit := l.answers.Add(1), l.limit.Load()
	if answers < windowRounds*limit && limit == int64(l.planned) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if answers >= windowRounds*limit {
		l.answers.Store(0)
		l.failures = 0
	}
	switch {
	case limit == int64(l.planned):
	case l.growing && answers >= growRounds*limit:
		l.set(min(l.planned, int(limit)+max(1, int(limit)/8)))
	case !l.growing && now.Sub(l.since) >= lowered:
		l.set(l.planned)
	}
	l.growing = l.growing && l.limit.Load() < int64(l.planned)
}

// busy counts a response that says that the server has too many requests, and lowers the limit by a quarter, down to one row.
func (l *limiter) busy(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := int(l.limit.Load())
	lower := max(1, limit*3/4)
	if lower == limit || now.Sub(l.since) < busyRound {
		return
	}
	if !l.growing {
		l.log.Warn().Int("in_flight", lower).Int("planned", l.planned).Msg("the server says that it is busy: fewer requests are sent to it at once")
	}
	l.since, l.growing = now, true
	l.set(lower)
}

// failed counts a request that a living server failed, and lowers the limit after too many failures.
func (l *limiter) failed(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures++
	limit := int(l.limit.Load())
	lower := max(1, l.planned/4, limit*3/4)
	share := float64(l.failures) / float64(l.failures+l.answers.Load())
	if l.failures < minFailures || share < maxFailureShare || lower >= limit {
		return
	}
	l.since = now
	l.set(lower)
	l.log.Warn().Int("in_flight", lower).Int("planned", l.planned).Msg("the server fails many requests: fewer are sent to it at once")
}

// set changes the limit. The caller holds mu.
func (l *limiter) set(limit int) {
	l.limit.Store(int64(limit))
	l.answers.Store(0)
	l.failures = 0
	close(l.changed)
	l.changed = make(chan struct{})
}

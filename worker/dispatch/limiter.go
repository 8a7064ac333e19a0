package dispatch

import (
	"cmp"
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
// fewer, down to one, and more again by small steps. A climb finds the number for a server of unknown size. Each asker of the
// server has a number from 0; the askers above the limit wait.
type limiter struct {
	planned int // the slots, and the look-ahead
	most    int // the largest limit
	log     zerolog.Logger
	limit   atomic.Int64
	answers atomic.Int64 // in this window
	due     atomic.Int64 // answers, after which answered looks at the window
	over    chan struct{}
	end     func() // releases every waiting asker for good

	mu       sync.Mutex
	wanted   int           // the limit without failures
	climb    *climb        // nil where wanted stays as it is
	changed  chan struct{} // closed and renewed with each change of the limit
	failures int64         // in this window
	since    time.Time     // of the last lowering
	growing  bool          // the server was busy: the limit grows by small steps, and not at once
}

// newLimiter makes the limiter of a server. find means that slots are a guess, from which a climb begins.
func newLimiter(slots int, find bool, log zerolog.Logger) *limiter {
	l := &limiter{planned: batcher.InFlight(slots), log: log, changed: make(chan struct{}), over: make(chan struct{})}
	l.wanted, l.most = l.planned, l.planned
	if find {
		l.most = batcher.InFlight(batcher.MaxFoundSlots)
		l.climb = &climb{most: l.most}
	}
	l.set(l.planned)
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

// answered counts an answer, and raises a limit that was lowered long enough ago. asking is the number of rows that were with the
// server.
func (l *limiter) answered(now time.Time, asking int) {
	if l.answers.Add(1) < l.due.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	answers, limit := l.answers.Load(), int(l.limit.Load())
	switch {
	case answers < l.due.Load(): // another answer was faster
	case l.growing && answers >= int64(growRounds*limit):
		l.set(min(l.most, limit+max(1, limit/8)))
		l.growing = int(l.limit.Load()) < l.most
	case !l.growing && limit < l.wanted && now.Sub(l.since) >= lowered:
		l.set(l.wanted)
	case l.climb != nil:
		l.step(now, int(answers), asking)
	case answers >= int64(windowRounds*limit):
		l.renew()
	}
}

// step takes the next step of the climb after so many answers. The caller holds mu.
func (l *limiter) step(now time.Time, answers, asking int) {
	c, limit := l.climb, int(l.limit.Load())
	full := asking >= limit*3/4
	switch {
	case c.rests && now.Sub(l.since) < rest:
	case c.rests:
		c.again()
	case c.began.IsZero(), !c.full && !full: // so few rows say nothing about the limit: the input is slow, or at its end
		c.began, c.full = now, full
	default:
		next, over := c.next(limit, float64(answers)/now.Sub(c.began).Seconds())
		c.began, l.wanted = time.Time{}, next
		if over {
			l.since = now
			l.log.Info().Int("in_flight", next).Float64("answers_per_s", c.rate).Msg("found how many rows at once the server answers best")
		}
		l.set(next)
		return
	}
	l.renew()
}

// renew begins a new window with the same limit. The caller holds mu.
func (l *limiter) renew() { l.begin(int(l.limit.Load())) }

// begin begins a new window. before is the limit of the window before. The caller holds mu.
func (l *limiter) begin(before int) {
	limit := int(l.limit.Load())
	due := windowRounds * limit
	switch {
	case l.growing, limit < l.wanted:
		due = 0
	case l.climb != nil:
		due = l.climb.answersTo(limit, before)
	}
	l.answers.Store(0)
	l.failures = 0
	l.due.Store(int64(due))
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
	l.since, l.growing, l.climb = now, true, nil // the server itself says what is too much
	l.set(lower)
}

// failed counts a request that a living server failed, and lowers the limit after too many failures.
func (l *limiter) failed(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures++
	limit, wanted := int(l.limit.Load()), l.wanted
	if l.climb != nil {
		wanted = cmp.Or(l.climb.kept, wanted) // not a larger number that is only tried
	}
	lower := max(1, wanted/4, limit*3/4)
	share := float64(l.failures) / float64(l.failures+l.answers.Load())
	if l.failures < minFailures || share < maxFailureShare || lower >= limit {
		return
	}
	l.since, l.wanted = now, wanted
	if l.climb != nil {
		l.climb.rests = true
	}
	l.set(lower)
	l.log.Warn().Int("in_flight", lower).Int("planned", l.planned).Msg("the server fails many requests: fewer are sent to it at once")
}

// set changes the limit. The caller holds mu.
func (l *limiter) set(limit int) {
	before := int(l.limit.Swap(int64(limit)))
	l.begin(cmp.Or(before, limit))
	close(l.changed)
	l.changed = make(chan struct{})
}

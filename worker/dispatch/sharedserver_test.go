package dispatch

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// sharedServer is a server in simulated time. Its rows share its speed, as the rows on a GPU do. It must run in a synctest
// bubble.
type sharedServer struct {
	curve  func(working int) float64 // tokens per second of all slots together
	spread float64                   // the largest deviation of a row's length from rowTokens, as a share of rowTokens
	// roundTrip is the time of a request and its answer on the network, for ServeHTTP.
	roundTrip time.Duration

	slots *semaphore.Weighted
	wake  chan struct{}

	mu     sync.Mutex
	random *rand.Rand
	done   float64 // tokens of a row that has been there from the start
	at     time.Time
	rows   byEnd
	count  int           // of slots
	first  time.Time     // when all slots were busy for the first time
	idle   time.Duration // the sum over the slots since first
	began  time.Time     // when the last row began
	missed time.Duration // idle at that time
}

const rowTokens = 100

// sharedRow is a row in a slot.
type sharedRow struct {
	end   float64 // the value of done at which the row ends
	ended chan struct{}
}

type byEnd []sharedRow

func (b byEnd) Len() int           { return len(b) }
func (b byEnd) Less(i, j int) bool { return b[i].end < b[j].end }
func (b byEnd) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }
func (b *byEnd) Push(row any)      { *b = append(*b, row.(sharedRow)) }
func (b *byEnd) Pop() any {
	last := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return last
}

func newSharedServer(random *rand.Rand, slots int, curve func(int) float64, spread float64) *sharedServer {
	return &sharedServer{
		curve: curve, spread: spread, slots: semaphore.NewWeighted(int64(slots)), count: slots,
		wake: make(chan struct{}, 1), random: random, at: time.Now(),
	}
}

// run ends the rows as time passes, until the context ends.
func (s *sharedServer) run(ctx context.Context) {
	for {
		s.mu.Lock()
		s.advance()
		for len(s.rows) > 0 && s.rows[0].end <= s.done+1e-6 {
			close(heap.Pop(&s.rows).(sharedRow).ended)
		}
		next := time.Hour
		if n := len(s.rows); n > 0 {
			next = time.Duration((s.rows[0].end - s.done) * float64(n) / s.curve(n) * float64(time.Second))
		}
		s.mu.Unlock()
		timer := time.NewTimer(next + 1)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
			return
		}
		timer.Stop()
	}
}

// advance brings the numbers up to the present time. The caller holds mu.
func (s *sharedServer) advance() {
	now := time.Now()
	if n := len(s.rows); n > 0 {
		s.done += now.Sub(s.at).Seconds() * s.curve(n) / float64(n)
	}
	if !s.first.IsZero() {
		s.idle += now.Sub(s.at) * time.Duration(s.count-len(s.rows))
	}
	s.at = now
}

// answer holds a slot for the time of one row, and returns the number of tokens of the row.
func (s *sharedServer) answer(ctx context.Context) (tokens int) {
	if s.slots.Acquire(ctx, 1) != nil {
		return 0
	}
	defer s.slots.Release(1)
	s.mu.Lock()
	s.advance()
	tokens = int(rowTokens * (1 + s.spread*(2*s.random.Float64()-1)))
	row := sharedRow{end: s.done + float64(tokens), ended: make(chan struct{})}
	heap.Push(&s.rows, row)
	if s.began, s.missed = s.at, s.idle; s.first.IsZero() && len(s.rows) == s.count {
		s.first = s.at
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	select {
	case <-row.ended:
		return tokens
	case <-ctx.Done():
		return 0
	}
}

// idleShare returns the share of the slots' time that was idle, from the first time that all slots were busy to the begin of
// the last row.
func (s *sharedServer) idleShare() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missed.Seconds() / (s.began.Sub(s.first).Seconds() * float64(s.count))
}

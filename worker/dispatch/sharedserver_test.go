package dispatch

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// sharedServer is a server in simulated time whose rows share what it does per second, as those of a GPU do. It belongs into a
// synctest bubble.
type sharedServer struct {
	curve  func(working int) float64 // tokens per second of all slots together
	spread float64                   // by what part the rows' lengths differ from rowTokens at most
	// roundTrip is how long a request and its answer are on their way; of use with ServeHTTP.
	roundTrip time.Duration

	slots *semaphore.Weighted
	wake  chan struct{}

	mu     sync.Mutex
	random *rand.Rand
	done   float64 // tokens of each row that has been there from the start
	at     time.Time
	rows   byEnd
	count  int
	first  time.Time     // when all slots were busy for the first time
	idle   time.Duration // of the slots since, summed up
	began  time.Time     // the last row did, and by then
	missed time.Duration // they were idle so long
}

const rowTokens = 100

// sharedRow is at its end when so much has been done of each row.
type sharedRow struct {
	end   float64
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

// run lets the time do the work.
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

// advance takes in the time since the last change.
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

// answer takes a slot for as long as a row needs, and returns how many tokens it had.
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

// idleShare is the part of the slots' time that they were idle for, from when all of them were busy to when the last row began.
func (s *sharedServer) idleShare() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missed.Seconds() / (s.began.Sub(s.first).Seconds() * float64(s.count))
}

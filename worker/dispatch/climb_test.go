package dispatch

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/batcher"
	"fluxworker/test/seed"
)

// A limiter of a server of unknown size finds about the fewest rows at once with which the server answers about as many as it can,
// from any guess.
func TestClimbFindsTheSizeOfAServer(t *testing.T) {
	t.Parallel()
	// A server of so many slots; a row takes longer where many are answered at once.
	slotted := func(slots int) func(rows int) float64 {
		return func(rows int) float64 { return float64(min(rows, slots)) }
	}
	batching := func(half int) func(rows int) float64 {
		return func(rows int) float64 { return float64(rows) / (1 + float64(rows)/float64(half)) }
	}
	for _, test := range []struct {
		name          string
		perSecond     func(rows int) float64
		guess         int
		least, utmost int
	}{
		{"one slot", slotted(1), 8, 1, 2},
		{"4 slots, known", slotted(4), 4, 4, 10},
		{"4 slots, unknown", slotted(4), 8, 4, 10},
		{"100 slots", slotted(100), 8, 80, 200},
		{"vLLM that gains little above 200", batching(200), 256, 100, 640},
		{"more than the most", slotted(5000), 256, 640, 640},
		{"a small server that calls itself vllm", slotted(16), 256, 16, 40},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			seed.Each(t, []uint64{1, 2, 3}, func(t *testing.T, random *rand.Rand) {
				l := newLimiter(test.guess, true, zerolog.Nop())
				now, answers := time.Unix(1e9, 0), 0
				for ; !l.climb.rests; answers++ {
					rows := int(l.limit.Load())
					mean := float64(time.Second) / test.perSecond(rows)
					now = now.Add(time.Duration(mean * (0.9 + 0.1*random.ExpFloat64())))
					l.answered(now, rows)
				}
				if got := int(l.limit.Load()); got < test.least || got > test.utmost || answers > 10_000 {
					t.Errorf("found %d rows at once after %d answers, want %d to %d", got, answers, test.least, test.utmost)
				}
			})
		})
	}
}

// An input that comes slowly, and the last rows of a run, say nothing about the server.
func TestClimbWaitsForASlowInput(t *testing.T) {
	t.Parallel()
	l := newLimiter(8, true, zerolog.Nop())
	now, before := time.Unix(1e9, 0), l.limit.Load()
	for range 10_000 {
		now = now.Add(time.Second)
		l.answered(now, 2)
	}
	if got := l.limit.Load(); got != before {
		t.Errorf("the limit is %d, was %d", got, before)
	}
}

// After a rest the limiter looks again: later rows may be shorter.
func TestClimbLooksAgain(t *testing.T) {
	t.Parallel()
	l := newLimiter(8, true, zerolog.Nop())
	now := time.Unix(1e9, 0)
	slots := 4
	for i := range 200_000 {
		if i == 50_000 {
			slots = 64
		}
		rows := int(l.limit.Load())
		now = now.Add(time.Second / time.Duration(min(rows, slots)))
		l.answered(now, rows)
	}
	if got := l.limit.Load(); got < 60 {
		t.Errorf("the limit is %d although the server answers 64 rows at once now", got)
	}
}

// What a server itself refuses or fails counts more than what was found.
func TestClimbEndsWhereTheServerIsBusyOrFails(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	busy := newLimiter(256, true, zerolog.Nop())
	for range 10 {
		now = now.Add(2 * busyRound)
		busy.busy(now)
	}
	if got := busy.limit.Load(); got > 40 {
		t.Errorf("the limit is %d although the server says that it is busy", got)
	}
	failing := newLimiter(256, true, zerolog.Nop())
	for range 1000 {
		failing.failed(now)
	}
	if got, want := int(failing.limit.Load()), batcher.InFlight(256)/4; got != want {
		t.Errorf("the limit is %d when everything fails, want %d", got, want)
	}
	failing.answered(now.Add(lowered), 1000)
	if got, want := int(failing.limit.Load()), batcher.InFlight(256); got != want {
		t.Errorf("the limit is %d after a while, want %d", got, want)
	}
}

// A number that was only tried, and that the server fails at, is not tried again at once.
func TestClimbForgetsANumberThatFails(t *testing.T) {
	t.Parallel()
	l := newLimiter(8, true, zerolog.Nop())
	now, first := time.Unix(1e9, 0), int(l.limit.Load())
	for int(l.limit.Load()) == first {
		now = now.Add(time.Second / 10)
		l.answered(now, first)
	}
	for range 1000 {
		l.failed(now)
	}
	if got := int(l.limit.Load()); got > first {
		t.Errorf("the limit is %d although the server fails with %d", got, 2*first)
	}
	now = now.Add(lowered)
	for range 10 {
		l.answered(now, first)
	}
	if got := int(l.limit.Load()); got != first {
		t.Errorf("the limit is %d after a while, want %d, which worked", got, first)
	}
}

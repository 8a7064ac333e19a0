package dispatch

import (
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/batcher"
)

// waits reports whether the asker with this number has to wait.
func waits(l *limiter, number int) bool {
	ended := make(chan struct{})
	close(ended) // acquire uses it only where it would block
	l.acquire(context.Background(), number, ended)
	return int64(number) >= l.limit.Load()
}

// The limit of a server that fails many requests falls, at most to a quarter of the plan, and later rises to the plan again.
func TestLimiterStepsDownAndComesBack(t *testing.T) {
	t.Parallel()
	const slots = 32
	l := newLimiter(slots, false, zerolog.Nop())
	now := time.Unix(1e9, 0)
	planned := batcher.InFlight(slots)
	if waits(l, planned-1) || !waits(l, planned) {
		t.Fatalf("the limit is %d at the start, want %d", l.limit.Load(), planned)
	}
	for range minFailures - 1 {
		l.failed(now)
	}
	if l.limit.Load() != int64(planned) {
		t.Errorf("%d failures lowered the limit", minFailures-1)
	}
	l.failed(now)
	if want := int64(planned * 3 / 4); l.limit.Load() != want {
		t.Errorf("the limit is %d after %d failures, want %d", l.limit.Load(), minFailures, want)
	}
	for range 1000 {
		l.failed(now)
	}
	if want := int64(planned / 4); l.limit.Load() != want {
		t.Errorf("the limit is %d when everything fails, want a quarter of the plan, %d", l.limit.Load(), want)
	}
	l.answered(now.Add(lowered-time.Second), 1000)
	if l.limit.Load() == int64(planned) {
		t.Errorf("the limit is that of the plan before %s", lowered)
	}
	l.answered(now.Add(lowered), 1000)
	if l.limit.Load() != int64(planned) {
		t.Errorf("the limit is %d after %s, want %d", l.limit.Load(), lowered, planned)
	}
}

// A few failures among many answers do not lower the limit: retries suffice.
func TestLimiterIgnoresRareFailures(t *testing.T) {
	t.Parallel()
	l := newLimiter(8, false, zerolog.Nop())
	for range 100 {
		for range 9 {
			l.answered(time.Now(), 1000)
		}
		l.failed(time.Now())
	}
	if l.limit.Load() != int64(batcher.InFlight(8)) {
		t.Errorf("the limit is %d, want %d", l.limit.Load(), batcher.InFlight(8))
	}
}

// An asker that waits takes a row as soon as the limit allows, and is released at the end.
func TestLimiterReleasesWaitingAskers(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	for name, release := range map[string]func(l *limiter, ended chan struct{}){
		"the limit rises":   func(l *limiter, _ chan struct{}) { l.answered(now.Add(lowered), 1000) },
		"the queue ends":    func(_ *limiter, ended chan struct{}) { close(ended) },
		"the limiter ends":  func(l *limiter, _ chan struct{}) { l.end() },
		"the context ended": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLimiter(8, false, zerolog.Nop())
			for range minFailures {
				l.failed(now)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended, through := make(chan struct{}), make(chan struct{})
			go func() { l.acquire(ctx, batcher.InFlight(8)-1, ended); close(through) }()
			if release == nil {
				cancel()
			} else {
				release(l, ended)
			}
			<-through
		})
	}
}

// The limiter compares failures with the answers around them: a day of good answers does not hide an hour in which every
// fourth request fails.
func TestLimiterForgetsOldAnswers(t *testing.T) {
	t.Parallel()
	l := newLimiter(8, false, zerolog.Nop())
	for range 100_000 {
		l.answered(time.Now(), 1000)
	}
	for range 100 {
		l.failed(time.Now())
		for range 3 {
			l.answered(time.Now(), 1000)
		}
	}
	if l.limit.Load() == int64(batcher.InFlight(8)) {
		t.Errorf("the limit is still %d although every fourth request fails", batcher.InFlight(8))
	}
}

// A busy server gets a quarter less, once for all requests that were sent together, down to one row. Answers raise the limit by small
// steps, up to the plan.
func TestLimiterOfABusyServer(t *testing.T) {
	t.Parallel()
	const slots = 32
	l := newLimiter(slots, false, zerolog.Nop())
	now := time.Unix(1e9, 0)
	planned := int64(batcher.InFlight(slots))
	for range 10 {
		l.busy(now)
	}
	if want := planned * 3 / 4; l.limit.Load() != want {
		t.Errorf("the limit is %d after busy responses of the same second, want %d", l.limit.Load(), want)
	}
	for range 100 {
		now = now.Add(busyRound)
		l.busy(now)
	}
	if l.limit.Load() != 1 {
		t.Errorf("the limit is %d for a server that is always busy, want 1", l.limit.Load())
	}
	answers, last := 0, int64(1)
	for l.limit.Load() < planned && answers < 100_000 {
		l.answered(now, 1000)
		answers++
		if step := l.limit.Load() - last; step > max(1, last/8) {
			t.Fatalf("the limit rises from %d to %d at once", last, l.limit.Load())
		}
		last = l.limit.Load()
	}
	if l.limit.Load() != planned || answers < int(planned) {
		t.Errorf("the limit is %d after %d answers, want %d after many", l.limit.Load(), answers, planned)
	}
}

package worker

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/test/seed"
	"fluxworker/worker/ollama"
)

// drive asks a simulated server through a flow for so long, and tells how many were let in at the end of each second.
func drive(t *testing.T, slots int, d time.Duration, make func() *sharedServer) (f *flow, each []int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := make()
		f = newFlow(slots, zerolog.Nop())
		var all sync.WaitGroup
		all.Go(func() { s.run(ctx) })
		var asking atomic.Int64
		for number := range inFlight(slots) {
			all.Go(func() {
				for {
					if f.enter(ctx, number, nil, nil); ctx.Err() != nil {
						return
					}
					asking.Add(1)
					began := time.Now()
					tokens, ok := s.answer(ctx)
					n := asking.Add(-1) + 1
					switch {
					case ctx.Err() != nil:
						return
					case !ok:
						f.failed()
						time.Sleep(250 * time.Millisecond)
						continue
					}
					took := time.Since(began)
					f.answered(&ollama.Answer{PromptTokens: 20, CompletionTokens: tokens, Timings: ollama.Timings{Prompt: took / 10, Generation: took * 9 / 10}}, n)
				}
			})
		}
		for range d / time.Second {
			time.Sleep(time.Second)
			each = append(each, int(f.limit.Load()))
		}
		cancel()
		all.Wait()
	})
	return f, each
}

func TestFlowFindsTheKnee(t *testing.T) {
	t.Parallel()
	flat := func(knee float64) func(int) float64 {
		return func(k int) float64 { return 1000 * min(float64(k)/knee, 1) }
	}
	falling := func(knee float64) func(int) float64 {
		return func(k int) float64 { return 1000 * min(float64(k)/knee, knee/float64(k)) }
	}
	tests := []struct {
		name     string
		slots    int
		curve    func(int) float64
		spread   float64
		low, top int // where it must end
	}{
		{"every slot counts", 32, flat(32), 0, inFlight(32), inFlight(32)},
		{"every slot counts, and rows differ", 32, flat(32), 0.5, 32, inFlight(32)},
		{"flat from 8 on", 32, flat(8), 0, 8, 10},
		{"flat from 8 on, and rows differ", 32, flat(8), 0.5, 8, 36},
		{"falling from 8 on", 32, falling(8), 0, 7, 9},
		{"falling from 8 on, and rows differ", 32, falling(8), 0.5, 7, 9},
		{"falling from 24 on", 32, falling(24), 0, 22, 26},
		{"falling from 6 on", 64, falling(6), 0, 6, 6},
		{"falling from 90 on", 100, falling(90), 0.3, 80, 112},
		{"more is never better", 16, func(int) float64 { return 500 }, 0, 1, 1},
		{"one slot", 1, flat(1), 0.5, 2, 2},
		{"two slots", 2, flat(2), 0.5, 3, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			seed.Each(t, seed.First(1), func(t *testing.T, random *rand.Rand) {
				f, each := drive(t, test.slots, time.Hour, func() *sharedServer { return newSharedServer(random, test.slots, test.curve, test.spread) })
				stand := f.stand("")
				if !stand.Found || stand.Last < test.low || stand.Last > test.top {
					t.Errorf("it ends with %d in flight (found %t), want %d to %d; curve %+v", stand.Last, stand.Found, test.low, test.top, stand.Curve)
				}
				best := 0.0
				for k := range inFlight(test.slots) {
					best = max(best, test.curve(min(k+1, test.slots)))
				}
				if got := test.curve(min(stand.Last, test.slots)); got < 0.9*best {
					t.Errorf("with %d in flight it makes %.0f tokens per second, of %.0f", stand.Last, got, best)
				}
				t.Logf("%d in flight, found after %.0f s, at %d levels", stand.Last, stand.After, len(stand.Curve))
				if stand.After > 900 {
					t.Errorf("it took %.0f s of answering", stand.After)
				}
				for i, n := range each[len(each)/2:] {
					if n != stand.Last {
						t.Errorf("it had %d in flight %d s before the end, and %d at the end", n, len(each)/2-i, stand.Last)
						break
					}
				}
			})
		})
	}
}

// A server that fails rows when it has too many at once gets fewer; one that fails some whatever it has keeps all its slots.
func TestFlowStepsDownOnFailures(t *testing.T) {
	t.Parallel()
	steep := func(k int) float64 { return 50 * float64(k) }
	tests := []struct {
		name     string
		fails    func(random *rand.Rand) func(working int) bool
		low, top int
	}{
		{"above 20 at once", func(*rand.Rand) func(int) bool { return func(working int) bool { return working > 20 } }, 12, 20},
		{"a third of them, by chance", func(random *rand.Rand) func(int) bool { return func(int) bool { return random.IntN(3) == 0 } }, inFlight(32), inFlight(32)},
		{"some, by chance", func(random *rand.Rand) func(int) bool { return func(int) bool { return random.IntN(30) == 0 } }, inFlight(32), inFlight(32)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			seed.Each(t, seed.First(1), func(t *testing.T, random *rand.Rand) {
				f, each := drive(t, 32, time.Hour, func() *sharedServer {
					s := newSharedServer(random, 32, steep, 0.5)
					s.fails = test.fails(s.random)
					return s
				})
				stand := f.stand("")
				if stand.Last < test.low || stand.Last > test.top {
					t.Errorf("it ends with %d in flight, want %d to %d; curve %+v", stand.Last, test.low, test.top, stand.Curve)
				}
				changes := 0
				for i, n := range each[1:] {
					if n != each[i] {
						changes++
					}
				}
				if changes > 60 {
					t.Errorf("the number in flight changed %d times in an hour", changes)
				}
				t.Logf("%d in flight after %d changes", stand.Last, changes)
			})
		})
	}
}

// Where the input comes more slowly than the server answers, there is nothing to learn about the server.
func TestFlowJudgesNoServerByItsInput(t *testing.T) {
	t.Parallel()
	f := newFlow(8, zerolog.Nop())
	for range 10000 {
		f.answered(&ollama.Answer{CompletionTokens: 10}, 2)
	}
	if stand := f.stand(""); stand.Last != inFlight(8) || len(stand.Curve) != 0 {
		t.Errorf("it has %d in flight, by %+v", stand.Last, stand.Curve)
	}
}

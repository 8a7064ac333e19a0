package ollama

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const testBudget = 12 << 20 * copies // 6 MiB for one row

// grown makes a room of so many MiB that has its last answer or not.
func grown(t *testing.T, b *Budget, mib int64, last bool) *Room {
	t.Helper()
	r := b.NewRoom(0)
	if last {
		r.Last()
	}
	if err := r.grow(t.Context(), time.Time{}, mib<<20); err != nil {
		t.Fatal(err)
	}
	return r
}

// A response waits while a row that has room has its last answer.
func TestAResponseWaitsForARowThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(testBudget)
		common, reserve := grown(t, b, 6, true), grown(t, b, 5, false)
		waiting := make(chan error)
		third := b.NewRoom(0)
		go func() { waiting <- third.grow(t.Context(), time.Time{}, 6<<20) }()
		synctest.Wait()
		if err := reserve.grow(t.Context(), time.Time{}, 1<<20); err != nil {
			t.Fatalf("the row with the reserve: %v", err)
		}
		common.Release()
		if err := <-waiting; err != nil {
			t.Fatal(err)
		}
	})
}

// A response does not wait for rows that ask for more: a server may keep the slot that they need.
func TestAResponseDoesNotWaitForARowThatAsksForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(testBudget)
		ends, asks := grown(t, b, 6, true), grown(t, b, 1, false)
		waiting := make(chan error)
		third := b.NewRoom(0)
		go func() { waiting <- third.grow(t.Context(), time.Time{}, 1<<20) }()
		synctest.Wait()
		go func() { waiting <- ends.Wait(t.Context()) }() // now this row waits, too, and nothing ends
		if err := <-waiting; !errors.Is(err, ErrNoRoom) {
			t.Fatalf("got %v, want ErrNoRoom", err)
		}
		third.shrink(0)
		asks.Release()
		if err := <-waiting; err != nil {
			t.Fatal(err)
		}
	})
}

// A response waits no longer than roomWait, its deadline, and its context.
func TestAResponseWaitsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(testBudget)
		grown(t, b, 6, true)
		grown(t, b, 6, true)
		cause := errors.New("over")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		for _, c := range []struct {
			ctx      context.Context
			deadline time.Time
			want     error
		}{
			{t.Context(), time.Time{}, ErrNoRoom}, {t.Context(), time.Now().Add(time.Hour), ErrNoRoom},
			{t.Context(), time.Now().Add(2*roomWait + time.Second), context.DeadlineExceeded}, {ctx, time.Time{}, cause},
		} {
			r := b.NewRoom(0)
			if c.ctx == ctx {
				cancel(cause)
			}
			if err := r.grow(c.ctx, c.deadline, 1<<20); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			r.Release()
		}
	})
}

// Any mix of rows comes to its end, and the budget is as before. Each server here keeps a slot until a response is read.
func TestAnyMixOfRowsEnds(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			b := NewBudget(testBudget)
			slots := make(chan struct{}, 1+random.IntN(3))
			var rows sync.WaitGroup
			for range 12 {
				answers, pieces, piece := 1+random.IntN(4), 1+random.IntN(3), int64(random.IntN(500<<10))
				rows.Go(func() {
					room := b.NewRoom(0)
					defer room.Release()
					ask := func() error {
						slots <- struct{}{}
						defer func() { <-slots }()
						before := room.Bytes()
						for range pieces {
							time.Sleep(time.Millisecond)
							if err := room.grow(t.Context(), time.Time{}, piece); err != nil {
								room.shrink(before)
								return err
							}
						}
						return nil
					}
					for n := 1; n <= answers; {
						if n == answers {
							room.Last()
						}
						switch err := ask(); {
						case err == nil:
							n++
						case errors.Is(err, ErrNoRoom):
							if err := room.Wait(t.Context()); err != nil {
								t.Error(err)
								return
							}
						default:
							t.Errorf("seed %d: %v", seed, err)
							return
						}
					}
				})
			}
			rows.Wait()
			if b.common != b.limit || b.reserve != nil || len(b.rooms)+len(b.waiting) > 0 {
				t.Errorf("seed %d: the budget is %+v", seed, b)
			}
		})
	}
}

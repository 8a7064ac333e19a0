package dispatch

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"fluxworker/test/seed"
	"fluxworker/worker/prompt"
)

// The queue sends rows that come back to a lane again, and ends only when the last row is done.
func TestQueueLosesNoRow(t *testing.T) {
	t.Parallel()
	const rows, takers = 500, 7
	seed.EachNumber(t, seed.First(1), func(t *testing.T, seed uint64) {
		q := NewQueue(Order{LookAhead: 1 << 20})
		go func() {
			defer q.Close()
			for i := range int64(rows) {
				q.Push(t.Context(), prompt.Row{Index: i})
			}
		}()
		if !q.WaitFirst(t.Context()) {
			t.Fatal("no row came")
		}
		ctx := t.Context()
		go q.run(ctx)

		var mu sync.Mutex
		finished := make(map[int64]int)
		var wg sync.WaitGroup
		for taker := range takers {
			random := rand.New(rand.NewPCG(seed, uint64(taker)))
			wg.Go(func() {
				a := newAsker(ctx, false)
				for {
					t, ok := q.take(a)
					if !ok {
						return
					}
					if random.IntN(3) == 0 {
						t.notBefore = time.Now().Add(time.Duration(random.IntN(1000)) * time.Microsecond)
						q.giveBack(t)
						continue
					}
					mu.Lock()
					finished[t.row.Index]++
					mu.Unlock()
					q.finish()
				}
			})
		}
		wg.Wait()
		<-q.ended
		if !q.isDone() {
			t.Error("the queue does not know that it is done")
		}
		for i := range int64(rows) {
			if finished[i] != 1 {
				t.Errorf("row %d was finished %d times", i, finished[i])
			}
		}
	})
}

func TestQueueEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	q := NewQueue(Order{LookAhead: 1 << 20})
	q.Push(ctx, prompt.Row{})
	go q.run(ctx)
	a := newAsker(t.Context(), false)
	row, _ := q.take(a)
	cancel()
	if _, ok := q.take(a); ok {
		t.Error("a row after the end")
	}
	q.giveBack(row) // without a receiver it must not block
	q.finish()
	if q.isDone() {
		t.Error("a row that was given back counts as done")
	}
}

// A task in its pause holds up no other task, but the number of tasks in a pause has a limit.
func TestQueueWithPausingTasks(t *testing.T) {
	t.Parallel()
	pending := make(chan prompt.Row) // unbuffered: no row waits here
	q := NewQueue(Order{LookAhead: 1 << 20})
	q.rows.rows = pending
	q.first = new(prompt.Row)
	ctx, cancel := context.WithCancel(t.Context())
	go q.run(ctx)
	offered := 0
	a := newAsker(ctx, false)
	for offered < maxPausing {
		row, _ := q.take(a)
		row.notBefore = time.Now().Add(time.Hour)
		q.giveBack(row)
		if offered++; offered < maxPausing {
			pending <- prompt.Row{Index: int64(offered)}
		}
	}
	select {
	case pending <- prompt.Row{}:
		t.Errorf("one more row was taken while %d wait", offered)
	case <-time.After(50 * time.Millisecond): // no event shows that nothing happens
	}
	cancel()
	<-q.ended
}

// WaitFirst keeps the first row in the queue, and returns false for an empty queue and after the end of the context.
func TestWaitFirst(t *testing.T) {
	t.Parallel()
	q := NewQueue(Order{LookAhead: 1 << 20})
	q.Push(t.Context(), prompt.Row{Index: 1})
	q.Push(t.Context(), prompt.Row{Index: 2})
	q.Close()
	if !q.WaitFirst(t.Context()) {
		t.Fatal("no row came")
	}
	go q.run(t.Context())
	a := newAsker(t.Context(), false)
	for want := range int64(2) {
		if row, ok := q.take(a); !ok || row.row.Index != want+1 {
			t.Errorf("row %d came (%t), want %d", row.row.Index, ok, want+1)
		}
		q.finish()
	}
	empty := NewQueue(Order{LookAhead: 1 << 20})
	empty.Close()
	if empty.WaitFirst(t.Context()) {
		t.Error("a row of an empty queue")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if NewQueue(Order{LookAhead: 1 << 20}).WaitFirst(over) {
		t.Error("a row after the end of the context")
	}
}

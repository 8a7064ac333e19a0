package worker

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"fluxworker/test/seed"
	"fluxworker/worker/prompt"
)

// Rows that come back are handed out again, and the queue is at its end only when the last one is done.
func TestQueueLosesNoRow(t *testing.T) {
	t.Parallel()
	const rows, takers = 500, 7
	seed.EachNumber(t, seed.First(1), func(t *testing.T, seed uint64) {
		pending := make(chan prompt.Row)
		go func() {
			for i := range int64(rows - 1) {
				pending <- prompt.Row{Index: i + 1}
			}
			close(pending)
		}()
		q := newQueue()
		go q.run(t.Context(), prompt.Row{Index: 0}, &ahead{rows: pending})

		var mu sync.Mutex
		finished := make(map[int64]int)
		var wg sync.WaitGroup
		for taker := range takers {
			random := rand.New(rand.NewPCG(seed, uint64(taker)))
			wg.Go(func() {
				for t := range q.out {
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
	pending := make(chan prompt.Row, 1)
	q := newQueue()
	go q.run(ctx, prompt.Row{}, &ahead{rows: pending})
	row := <-q.out
	cancel()
	if _, ok := <-q.out; ok {
		t.Error("a row after the end")
	}
	q.giveBack(row) // nobody listens: it must not block
	q.finish()
	if q.isDone() {
		t.Error("a row that was given back counts as done")
	}
}

// A task that waits for its next try holds up no other, but there is a limit to how many wait.
func TestQueueWithPausingTasks(t *testing.T) {
	t.Parallel()
	pending := make(chan prompt.Row)
	q := newQueue()
	ctx, cancel := context.WithCancel(t.Context())
	go q.run(ctx, prompt.Row{}, &ahead{rows: pending})
	offered := 0
	for offered < mostPausing {
		row := <-q.out
		row.notBefore = time.Now().Add(time.Hour)
		q.giveBack(row)
		if offered++; offered < mostPausing {
			pending <- prompt.Row{Index: int64(offered)}
		}
	}
	select {
	case pending <- prompt.Row{}:
		t.Errorf("one more row was taken while %d wait", offered)
	case <-time.After(50 * time.Millisecond): // nothing happens, which is no event
	}
	cancel()
	<-q.ended
}

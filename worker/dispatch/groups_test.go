package dispatch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fluxworker/test/seed"
	"fluxworker/worker/prompt"
)

// turn is one way of a row from the queue to an asker.
type turn struct {
	row               int64
	waiting, from, to time.Duration // since the begin: the row waits in the queue, its asker asks, the asker has the row
}

// Whatever the groups of rows, failed tries and lost servers: each row is done once, and no slot stands empty while a row waits.
func TestGroupsLoseNoRowAndLeaveNoSlotEmpty(t *testing.T) {
	seed.Each(t, seed.First(20), func(t *testing.T, random *rand.Rand) {
		var rows []prompt.Row
		for group := range 1 + random.IntN(20) {
			for question := range 1 + random.IntN(12) {
				r := ask(0, text("be kind", random.IntN(2)*3000), text(fmt.Sprint("document", group), 100+random.IntN(2)*4000), fmt.Sprint("question ", question))
				r.Request.N = random.IntN(3)
				rows = append(rows, r)
			}
		}
		if random.IntN(2) == 0 {
			random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		}
		for i := range rows {
			rows[i].Index = int64(i)
		}
		slots, fails := 1+random.IntN(8), random.IntN(4)
		seeds := make([]uint64, slots)
		for i := range seeds {
			seeds[i] = random.Uint64()
		}
		synctest.Test(t, func(t *testing.T) {
			turns, done := answerAll(t, rows, seeds, fails)
			for i := range rows {
				if done[int64(i)] != 1 {
					t.Errorf("row %d of %d was done %d times", i, len(rows), done[int64(i)])
				}
			}
			for _, a := range turns {
				for _, r := range turns { // r's row waited while a's asker waited
					if begin, end := max(a.from, r.waiting), min(a.to, r.to); begin < end {
						t.Fatalf("%d slots: an asker waited from %s to %s, and row %d from %s to %s", slots, a.from, a.to, r.row, r.waiting, r.to)
					}
				}
			}
		})
	})
}

// answerAll answers the rows in as many slots as there are seeds. In ten tries, so many fail and come back after a pause, and
// after as many the slot's server is lost and comes back.
func answerAll(t *testing.T, rows []prompt.Row, seeds []uint64, fails int) (turns []turn, done map[int64]int) {
	q := NewQueue(Order{LookAhead: 1 << 30})
	go func() {
		defer q.Close()
		for _, row := range rows {
			q.Push(t.Context(), row)
		}
	}()
	go q.run(t.Context())
	synctest.Wait() // until all rows are in the window
	began := time.Now()
	since := func() time.Duration { return time.Since(began) }
	var mu sync.Mutex
	done, waiting := make(map[int64]int), make(map[int64]time.Duration)
	var slots sync.WaitGroup
	for _, seed := range seeds {
		slots.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			for !q.isDone() {
				ctx, lose := context.WithCancel(t.Context())
				a := newAsker(ctx, false)
				for {
					from := since()
					task, ok := q.take(a)
					if !ok {
						break
					}
					mu.Lock()
					turns = append(turns, turn{task.row.Index, waiting[task.row.Index], from, since()})
					mu.Unlock()
					time.Sleep(time.Duration(1+random.IntN(5)) * time.Second)
					if random.IntN(10) < fails {
						task.notBefore = time.Now().Add(time.Duration(random.IntN(10)) * time.Second)
						mu.Lock()
						waiting[task.row.Index] = max(since(), task.notBefore.Sub(began))
						mu.Unlock()
						q.giveBack(task)
						continue
					}
					if random.IntN(10) < fails {
						lose()
						mu.Lock()
						waiting[task.row.Index] = since()
						mu.Unlock()
						q.giveBack(task)
						time.Sleep(time.Duration(random.IntN(20)) * time.Second)
						break
					}
					mu.Lock()
					done[task.row.Index]++
					mu.Unlock()
					q.finish()
				}
				lose()
			}
		})
	}
	slots.Wait()
	return turns, done
}

package dispatch

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fluxworker/test/seed"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
)

// ask returns a row with a system message and a question about a document.
func ask(index int64, system, document, question string) prompt.Row {
	return prompt.Row{Index: index, Request: prompt.Request{Messages: []prompt.Message{
		{Role: "system", Content: system}, {Role: "user", Content: document + question},
	}}}
}

func text(word string, bytes int) string {
	return strings.Repeat(word+" ", bytes/(len(word)+1)+1)[:bytes]
}

// simulation answers rows in slots: a slot that has the beginning of a prompt needs a second for the rest, any other ten.
type simulation struct {
	slots  int
	cached atomic.Int64 // rows that found their prefix in their slot
	order  []int64      // of the rows
	shared record.SharedPrefixes
}

// run asks all rows. Askers beyond the slots wait at the door, as those of a lane do.
func (s *simulation) run(t *testing.T, o Order, rows []prompt.Row) time.Duration {
	t.Helper()
	var took time.Duration
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(o)
		go func() {
			defer q.Close()
			for _, row := range rows {
				q.Push(t.Context(), row)
			}
		}()
		began := time.Now()
		go q.run(t.Context())
		synctest.Wait() // until the window is full: the first choices among few rows are chance
		done := make(chan int64, len(rows))
		seed := maphash.MakeSeed()
		for range s.slots {
			go func() {
				a := newAsker(t.Context(), false)
				var slot prompt.Prefix
				for {
					task, ok := q.take(a)
					if !ok {
						return
					}
					own := prompt.PrefixOf(seed, &task.row.Request)
					if len(own) > 0 && own.Common(slot) == len(own) {
						s.cached.Add(1)
						time.Sleep(time.Second)
					} else {
						time.Sleep(10 * time.Second)
					}
					slot = own
					done <- task.row.Index
					q.finish()
				}
			}()
		}
		<-q.ended
		took = time.Since(began)
		s.shared = q.shared
		close(done)
		for index := range done {
			s.order = append(s.order, index)
		}
	})
	return took
}

// documents returns rows with so many questions about each of so many documents, in the order of a file.
func documents(n, questions int, system string) []prompt.Row {
	var rows []prompt.Row
	for d := range n {
		for i := range questions {
			rows = append(rows, ask(int64(len(rows)), system, text(fmt.Sprint("document", d), 4000), fmt.Sprint("question ", i)))
		}
	}
	return rows
}

// Rows that share a document are answered in the slot that has read it, in the order of the file or shuffled, with and without
// a system message that all have; and no row is lost.
func TestSharedPrefixesStayInTheirSlot(t *testing.T) {
	const slots, questions = 6, 6
	seed.EachNumber(t, seed.First(3), func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		for _, system := range []string{"", text("be kind", 3000)} {
			for _, shuffled := range []bool{false, true} {
				rows := documents(18, questions, system)
				if shuffled {
					random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
				}
				grouped, plain := simulation{slots: slots}, simulation{slots: slots}
				best := plain.run(t, Order{AsInput: true, LookAhead: 1 << 20}, rows)
				got := grouped.run(t, Order{LookAhead: 1 << 20}, rows)
				// Each document is read once, but where it is split at the end so that no slot stands empty.
				if least := len(rows) - 18 - slots; int(grouped.cached.Load()) < least {
					t.Errorf("system %d bytes, shuffled %t: %d rows found their document, want at least %d", len(system), shuffled, grouped.cached.Load(), least)
				}
				if want := (record.SharedPrefixes{Groups: 18, Rows: 108, Largest: 6}); grouped.shared != want || plain.shared.Groups != 0 {
					t.Errorf("system %d bytes, shuffled %t: the groups are %+v, and %+v in the order of the input", len(system), shuffled, grouped.shared, plain.shared)
				}
				if got > best*4/10 {
					t.Errorf("system %d bytes, shuffled %t: %s, and %s in the order of the input", len(system), shuffled, got, best)
				}
				seen := map[int64]bool{}
				for _, index := range grouped.order {
					seen[index] = true
				}
				if len(grouped.order) != len(rows) || len(seen) != len(rows) {
					t.Errorf("%d answers of %d rows, want %d", len(grouped.order), len(seen), len(rows))
				}
			}
		}
	})
}

// Rows that share nothing, or less than a block, keep the order of the input.
func TestUnrelatedRowsKeepTheirOrder(t *testing.T) {
	for name, document := range map[string]func(i int) string{
		"short": func(i int) string { return fmt.Sprint("prompt ", i) },
		"long":  func(i int) string { return text(fmt.Sprint("document", i), 3000) },
	} {
		var rows []prompt.Row
		for i := range 50 {
			rows = append(rows, ask(int64(i), "be kind", document(i), "?"))
		}
		s := simulation{slots: 1}
		s.run(t, Order{LookAhead: 1 << 20}, rows)
		for i, index := range s.order {
			if index != int64(i) {
				t.Errorf("%s: row %d came at place %d", name, index, i)
				break
			}
		}
	}
}

// One document for all rows is in every slot: all slots work on it.
func TestALargeGroupIsSplit(t *testing.T) {
	s := simulation{slots: 5}
	rows := documents(1, 50, "")
	if took := s.run(t, Order{LookAhead: 1 << 20}, rows); took > 19*time.Second { // ten rows in each slot
		t.Errorf("50 rows took %s", took)
	}
}

// The look-ahead ends at its bytes and at its rows, and holds one row at least.
func TestLookAheadIsBounded(t *testing.T) {
	for _, tt := range []struct{ limit, bytes, rows int }{{1000, 300, 4}, {1000, 2000, 1}, {1 << 30, 10, lookAheadRows}} {
		w := newWindow(int64(tt.limit))
		n := 0
		for ; !w.full(); n++ {
			w.add(task{row: ask(int64(n), "", text("x", tt.bytes), "")}, false)
		}
		if n != tt.rows {
			t.Errorf("%d rows of %d bytes wait within %d bytes, want %d", n, tt.bytes, tt.limit, tt.rows)
		}
	}
}

func withAnswers(rows []prompt.Row, n int) []prompt.Row {
	for i := range rows {
		rows[i].Request.N = n
	}
	return rows
}

// While rows share prefixes, no row waits at a server's door; otherwise one does.
func TestNothingWaitsAtTheDoor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rows  []prompt.Row
		waits bool
	}{
		"shared":  {documents(5, 5, ""), false},
		"nothing": {documents(25, 1, ""), true},
		"several": {withAnswers(documents(25, 1, ""), 3), false}, // each further answer reads the same prompt
	} {
		synctest.Test(t, func(t *testing.T) {
			q := NewQueue(Order{LookAhead: 1 << 20})
			for _, row := range tt.rows {
				q.Push(t.Context(), row)
			}
			go q.run(t.Context())
			got := make(chan bool, 1)
			go func() {
				_, ok := q.take(newAsker(t.Context(), true))
				got <- ok
			}()
			synctest.Wait()
			if waits := len(got) == 1; waits != tt.waits {
				t.Errorf("%s: a row waits at the door: %t", name, waits)
			}
		})
	}
}

package ollama

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// freeBytes is the size, in bytes, up to which the answers of a row do not count: they are as small as the other
	// memory that a row takes.
	freeBytes = 64 << 10
	// copies is how many bytes of memory an answer takes for each byte that the server sends: the received bytes, the
	// decoded text, the encoded line, the growth of each, and what the collector has not freed yet.
	copies = 6
	// roomWait is how long, at most, a response waits for room while the server sends it.
	roomWait = time.Minute
)

// MinBudget is the smallest useful size of a Budget in bytes of memory.
const MinBudget = 64 << 20

// ErrNoRoom means that the budget had no room for an answer for a while. The request is over, and the answer is lost. Ask
// again after Room.Wait.
var ErrNoRoom = errors.New("no memory for the answer (--max-answer-memory)")

// tooLarge returns the error of a row whose answers have more than limit bytes.
func tooLarge(limit int64) error {
	return &RequestError{Status: http.StatusUnprocessableEntity, Code: CodeAnswerTooLarge,
		Message: fmt.Sprintf("the answers of the row have more than %.3g MiB, the most that one row may have; ask for less, or allow more with --max-answer-memory", float64(limit)/(1<<20))}
}

// Budget is the memory for the answers in flight of all servers of a run: answers that are read, decoded, written, or
// wait for the other answers of their row. It is safe for concurrent use.
//
// One half is common to all rows. The other half is the reserve: one row at a time has all of it, and never waits for
// room again. So of all rows that wait, the first gets the reserve when the row that has it ends. The budget counts the
// bytes that the server sends; copies converts them to memory.
//
// A server may keep a slot until the response has been read. So a response that waits for room may keep the slot from
// the row that has the reserve and asks for its next answer. Therefore a response waits only while another row, which
// has room, has its last answer and asks for nothing more. Otherwise the request ends, and its row waits without a
// request.
type Budget struct {
	limit int64 // bytes that one row may have; the size of each half

	mu      sync.Mutex
	common  int64          // free bytes of the common half
	reserve *Room          // the row that has the reserve; nil if it is free
	waiting []*wish        // in the order of arrival
	rooms   map[*Room]bool // those that take a part of the budget; true for a room that waits for more
}

// wish is a row that waits for room.
type wish struct {
	room    *Room
	bytes   int64 // in addition to what the row has
	reserve bool  // nothing but the reserve will do
	settled chan struct{}
	refused bool // valid after settled is closed
}

// NewBudget returns a budget of the given size in bytes of memory, at least MinBudget.
func NewBudget(memory int64) *Budget {
	half := memory / copies / 2
	return &Budget{limit: half, common: half, rooms: make(map[*Room]bool)}
}

// Room is the part of a budget that the answers of one row take. Only the row's goroutine may use it.
type Room struct {
	budget *Budget
	bytes  int64 // of all answers of the row

	counted int64 // of bytes, those that the budget knows; guarded by budget.mu
	last    bool  // the row asks for nothing more; guarded by budget.mu
}

// NewRoom returns the room of a row that has answers of the given size in bytes already. Call Release at the row's end.
func (b *Budget) NewRoom(bytes int64) *Room { return &Room{budget: b, bytes: bytes} }

// Bytes returns the size of the row's answers in bytes.
func (r *Room) Bytes() int64 { return r.bytes }

// Small reports whether the row's answers are so small that the budget does not count them. A row without a server may
// keep only small answers, or the rows with a server could wait for it.
func (r *Room) Small() bool { return r.bytes <= freeBytes }

// grow adds n bytes. It waits until there is room, at most for roomWait, until the deadline, or until the context ends.
// After an error call shrink. Errors: *RequestError, ErrNoRoom, those of the context and of the deadline.
func (r *Room) grow(ctx context.Context, deadline time.Time, n int64) error {
	if r.bytes+n > r.budget.limit {
		return tooLarge(r.budget.limit)
	}
	r.bytes += n
	if r.Small() {
		return nil
	}
	end, cause := time.Now().Add(roomWait), ErrNoRoom
	if !deadline.IsZero() && deadline.Before(end) {
		end, cause = deadline, context.DeadlineExceeded
	}
	bounded, cancel := context.WithDeadlineCause(ctx, end, cause)
	defer cancel()
	return r.budget.serve(bounded, &wish{room: r, bytes: r.bytes - r.counted})
}

// Wait waits, for as long as the context lasts, until the row has the reserve. Call it while no server works for the
// row.
func (r *Room) Wait(ctx context.Context) error {
	if r.budget.serve(ctx, &wish{room: r, reserve: true}) != nil {
		return ctx.Err()
	}
	return nil
}

// Last says that the row asks for one more answer and then for nothing more.
func (r *Room) Last() {
	r.budget.mu.Lock()
	defer r.budget.mu.Unlock()
	r.last = true
}

// serve waits until the wish is granted or refused, or the context ends.
func (b *Budget) serve(ctx context.Context, w *wish) error {
	w.settled = make(chan struct{})
	b.mu.Lock()
	b.waiting = append(b.waiting, w)
	b.settleAll() // a row that waits may be the one for which others wait
	b.mu.Unlock()
	select {
	case <-w.settled:
	case <-ctx.Done():
		if b.withdraw(w) {
			return context.Cause(ctx)
		}
	}
	if w.refused {
		return ErrNoRoom
	}
	return nil
}

// withdraw takes back a wish. It returns false if the wish is settled.
func (b *Budget) withdraw(w *wish) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, w)
	if i < 0 {
		return false
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	b.mark(w.room, false)
	b.settleAll()
	return true
}

// settle grants or refuses a wish, or returns false if the wish has to wait. The caller holds mu.
func (b *Budget) settle(w *wish) bool {
	r := w.room
	switch {
	case b.reserve == r:
	case !w.reserve && w.bytes <= b.common:
		b.common -= w.bytes
	case b.reserve == nil:
		b.reserve = r
		b.common += r.counted
	default:
		w.refused = !w.reserve && !b.ending()
		return w.refused
	}
	r.counted += w.bytes
	return true
}

// settleAll settles the wishes that need not wait any more. The caller holds mu.
func (b *Budget) settleAll() {
	for _, w := range b.waiting {
		b.mark(w.room, true)
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(w *wish) bool {
		settled := b.settle(w)
		if settled {
			b.mark(w.room, false)
			close(w.settled)
		}
		return settled
	})
}

// mark records whether a room takes a part of the budget, and waits for more. The caller holds mu.
func (b *Budget) mark(r *Room, waits bool) {
	if r.counted > 0 || b.reserve == r {
		b.rooms[r] = waits
	} else {
		delete(b.rooms, r)
	}
}

// ending reports whether a row that takes a part of the budget has or gets its last answer. The caller holds mu.
func (b *Budget) ending() bool {
	for r, waits := range b.rooms {
		if r.last && !waits {
			return true
		}
	}
	return false
}

// shrink gives back all bytes above the given number, such as those of a response that broke off.
func (r *Room) shrink(bytes int64) {
	r.bytes = bytes
	counted := bytes
	if r.Small() {
		counted = 0
	}
	r.free(counted, false)
}

// Release gives back everything. The room is empty then.
func (r *Room) Release() {
	r.bytes = 0
	r.free(0, true)
}

// free lowers the counted bytes to the given number, and gives back the reserve if asked to.
func (r *Room) free(counted int64, reserve bool) {
	b := r.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if counted >= r.counted && !(reserve && b.reserve == r) {
		return
	}
	if b.reserve != r {
		b.common += r.counted - counted
	} else if reserve {
		b.reserve = nil
	}
	r.counted = counted
	b.mark(r, false)
	b.settleAll()
}

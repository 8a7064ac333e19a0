package fakeollama

import (
	"context"
	"sync"
)

// barrier holds requests until the expected number is in flight, so that the counts of a test do not depend on the
// speed of the machine: a worker with too few requests in flight gets no answer.
type barrier struct {
	slots   int
	want    int // 0 means open
	holdFor int // open once this many have arrived, because the last ones have no company

	mu      sync.Mutex
	arrived int
	here    int
	working int           // number of the present requests with a slot
	changed chan struct{} // closed and replaced at every change
}

func newBarrier(c config) *barrier {
	return &barrier{slots: c.slots, want: c.hold, holdFor: c.holdRows, changed: make(chan struct{})}
}

func (b *barrier) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *barrier) arrive() { b.change(func() { b.arrived++; b.here++ }) }
func (b *barrier) begin()  { b.change(func() { b.working++ }) }
func (b *barrier) end()    { b.change(func() { b.working-- }) }
func (b *barrier) leave()  { b.change(func() { b.here-- }) }

// pass waits until the barrier is open. It returns false if the context ends first.
func (b *barrier) pass(ctx context.Context) bool {
	for {
		b.mu.Lock()
		open := b.here >= b.want && b.working >= min(b.want, b.slots) || b.arrived >= b.holdFor
		changed := b.changed
		b.mu.Unlock()
		if open {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

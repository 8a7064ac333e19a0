package fakeollama

import (
	"context"
	"sync"
)

// gate holds requests back until as many as a test expects are in flight at once, so that what the test counts does not
// depend on the speed of the machine: a worker that never has so many in flight gets no answer.
type gate struct {
	slots   int
	want    int // 0: it is open
	holdFor int // and once so many have arrived, since the last ones have no company

	mu      sync.Mutex
	arrived int
	here    int
	working int           // of those that are here, the ones with a slot
	changed chan struct{} // closed and renewed at every change
}

func newGate(c config) *gate {
	return &gate{slots: c.slots, want: c.hold, holdFor: c.holdRows, changed: make(chan struct{})}
}

func (g *gate) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gate) arrive() { g.change(func() { g.arrived++; g.here++ }) }
func (g *gate) begin()  { g.change(func() { g.working++ }) }
func (g *gate) end()    { g.change(func() { g.working-- }) }
func (g *gate) leave()  { g.change(func() { g.here-- }) }

// pass waits until the gate is open. It is false when the context ends first.
func (g *gate) pass(ctx context.Context) bool {
	for {
		g.mu.Lock()
		open := g.here >= g.want && g.working >= min(g.want, g.slots) || g.arrived >= g.holdFor
		changed := g.changed
		g.mu.Unlock()
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

package dispatch

import (
	"time"

	"fluxworker/worker/record"
)

// Traffic is what the servers do at one moment.
type Traffic struct {
	InFlight int // rows that are with the servers
	Slots    int // of all servers that serve
	Context  int // of a slot, in tokens: the smallest of the servers that serve; 0 without such a server
}

// Traffic returns what the servers do now.
func (d *Dispatcher) Traffic() (t Traffic) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lanes {
		t.InFlight += int(l.asking.Load())
		slots, context := int(l.slots.Load()), int(l.context.Load())
		if slots == 0 {
			continue
		}
		t.Slots += slots
		if t.Context == 0 || context < t.Context {
			t.Context = context
		}
	}
	return t
}

// setLanes sets the lanes of the present queue.
func (d *Dispatcher) setLanes(lanes []*Lane) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lanes = lanes
}

// Latency returns the times from the request to the answers of all rows; nil before the first row.
func (d *Dispatcher) Latency() *record.Histogram { return d.times.Histogram() }

// answered records the time from the request to the answers of a row.
func (d *Dispatcher) answered(took time.Duration) {
	d.latency.add(took)
	d.times.Add(took)
}

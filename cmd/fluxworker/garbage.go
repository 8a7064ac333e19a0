package main

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// mostGarbage is how many bytes of garbage may pile up beside what is in use before they are collected.
	mostGarbage = 20 << 20
	// leastPercent bounds how often that is with a large heap, and mostPercent what a small one may grow by before the next look.
	leastPercent, mostPercent = 3, 400
	// usualPercent is the garbage collector's own setting, where GOGC says nothing else.
	usualPercent = 100
	// heapEvery is the time between two looks at the heap. While results are read it grows by some 20 MB a second.
	heapEvery = 200 * time.Millisecond
)

// boundGarbage has about the same amount of garbage pile up whatever is in use, until the returned function is called. The
// collector's own setting lets it be as much as is in use: the few megabytes of most runs, which were collected 140 times for
// 100,000 rows and cost a tenth of what these did, or the tables of a run with millions of rows, of some 30 bytes each, which
// would take twice their memory. These have no pointer in them, so that collecting often costs little, however many rows there are.
func boundGarbage() (stop func()) {
	before := debug.SetGCPercent(100) // which is the only way to learn it
	debug.SetGCPercent(before)
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(heapEvery)
		defer tick.Stop()
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}} // at the end of the last collection
		for set := before; ; {
			select {
			case <-tick.C:
			case <-stopped:
				return
			}
			metrics.Read(live)
			if percent := garbagePercent(live[0].Value.Uint64(), before); percent != set {
				debug.SetGCPercent(percent)
				set = percent
			}
		}
	}()
	return func() {
		close(stopped)
		<-ended
		debug.SetGCPercent(before)
	}
}

// garbagePercent is the garbage collector's setting for a heap of which so many bytes are in use. What GOGC says, where it says
// something of its own, is the most.
func garbagePercent(live uint64, own int) int {
	most := mostPercent
	switch {
	case own < 0:
		return own // GOGC=off: somebody wants to see what that does
	case own != usualPercent:
		most = own
	}
	return min(most, max(leastPercent, int(mostGarbage*100/max(1, live))))
}

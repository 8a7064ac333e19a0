package main

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// mostGarbage is how many bytes of garbage may pile up beside a large heap before they are collected.
	mostGarbage = 16 << 20
	// leastPercent bounds how often that is with a heap that is larger yet.
	leastPercent = 3
	// heapEvery is the time between two looks at the heap. While results are read it grows by some 20 MB a second.
	heapEvery = 200 * time.Millisecond
)

// boundGarbage keeps the heap from growing to twice what is in use, as the garbage collector's own setting lets it, until the
// returned function is called. What is in use grows with the rows, by some 30 bytes each; these lie in tables without a
// pointer in them, so that collecting often costs little, however many rows there are.
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

// garbagePercent is the garbage collector's setting for a heap of which so many bytes are in use; at most what it is without
// us, which GOGC says.
func garbagePercent(live uint64, most int) int {
	if most < 0 {
		return most // GOGC=off: somebody wants to see what that does
	}
	return min(most, max(leastPercent, int(mostGarbage*100/max(1, live))))
}

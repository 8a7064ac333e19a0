package main

import (
	"sync"
	"testing"
)

// Lines of the log come while the bar is drawn. What the race detector says counts.
func TestBarBelowTheLog(t *testing.T) {
	b := newBar()
	var all sync.WaitGroup
	all.Go(func() {
		for i := range int64(1000) {
			b.draw("some rows", i, 1000+i)
		}
	})
	all.Go(func() {
		for range 1000 {
			if _, err := b.Write(nil); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	b.clear()
}

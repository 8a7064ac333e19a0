package main

import "testing"

// However large the heap is, what may pile up beside it is about the same, and never more than GOGC says.
func TestGarbageIsBounded(t *testing.T) {
	for _, tt := range []struct {
		live       uint64
		most, want int
	}{
		{0, 100, mostPercent}, {4 << 20, 100, mostPercent}, {10 << 20, 100, 200}, {40 << 20, 100, 50}, {400 << 20, 100, 5}, {32 << 30, 100, leastPercent},
		{4 << 20, 50, 50}, {320 << 20, 2, 2}, {320 << 20, -1, -1},
	} {
		if got := garbagePercent(tt.live, tt.most); got != tt.want {
			t.Errorf("%d MiB in use, GOGC=%d: %d percent, want %d", tt.live>>20, tt.most, got, tt.want)
		}
	}
}

package dispatch

import (
	"testing"
	"time"
)

// A few very slow rows do not change the 95th percentile.
func TestLatencyLeavesOutTheSlowest(t *testing.T) {
	t.Parallel()
	var l latency
	if p := l.p95(); p != 0 {
		t.Errorf("without rows a row takes %s", p)
	}
	for i := range 1000 {
		d := time.Second
		if i%50 == 0 {
			d = time.Hour
		}
		l.add(d)
	}
	if p := l.p95(); p != time.Second {
		t.Errorf("95 of 100 rows took %s, want 1 s", p)
	}
}

package record

import (
	"sync"
	"testing"
	"time"
)

func TestLatencyHistogram(t *testing.T) {
	t.Parallel()
	var h LatencyHistogram
	if got := h.Histogram(); got != nil {
		t.Fatalf("empty: %+v, want nil", got)
	}
	for _, d := range []time.Duration{0, 10 * time.Millisecond, 10*time.Millisecond + 1, time.Second, 90 * time.Second, 10_000 * time.Second, 20_000 * time.Second} {
		h.Add(d)
	}
	got := h.Histogram()
	if len(got.Counts) != len(got.Bounds)+1 {
		t.Fatalf("%d counts for %d bounds, want one more", len(got.Counts), len(got.Bounds))
	}
	want := map[float64]int64{0.01: 2, 0.018: 1, 1: 1, 100: 1, 10_000: 1}
	for i, bound := range got.Bounds {
		if got.Counts[i] != want[bound] {
			t.Errorf("%d durations up to %g s, want %d", got.Counts[i], bound, want[bound])
		}
		if i > 0 && bound <= got.Bounds[i-1] {
			t.Errorf("bound %g follows %g", bound, got.Bounds[i-1])
		}
	}
	if over := got.Counts[len(got.Bounds)]; over != 1 {
		t.Errorf("%d durations above all bounds, want 1", over)
	}
	if got.Sum < 30_091 || got.Sum > 30_092 {
		t.Errorf("sum %g s, want 30,091.02 s", got.Sum)
	}
}

// Many rows end at the same time.
func TestLatencyHistogramIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var h LatencyHistogram
	var adding sync.WaitGroup
	for range 8 {
		adding.Go(func() {
			for range 1000 {
				h.Add(time.Second)
				h.Histogram()
			}
		})
	}
	adding.Wait()
	var all int64
	for _, n := range h.Histogram().Counts {
		all += n
	}
	if all != 8000 {
		t.Errorf("%d durations, want 8000", all)
	}
}

package record

import (
	"slices"
	"sort"
	"sync/atomic"
	"time"
)

// Histogram is a distribution of durations.
type Histogram struct {
	Bounds []float64 `json:"bounds"` // upper bounds of the buckets in seconds, growing, each inclusive; the last bucket has no bound
	Counts []int64   `json:"counts"` // durations in each bucket, len(Bounds)+1
	Sum    float64   `json:"sum"`    // of all durations, in seconds
}

// latencyBounds are the bounds of LatencyHistogram, in seconds. A vector takes milliseconds and a long answer minutes, and nobody
// knows before the run which of them its rows need, so the bounds are logarithmic. With four for each factor of ten, a quantile is
// at most a factor 1.8 off, and a Prometheus server has 26 series for each run. The bounds have two digits because people read
// them as labels.
var latencyBounds = [...]float64{
	0.01, 0.018, 0.032, 0.056, 0.1, 0.18, 0.32, 0.56, 1, 1.8, 3.2, 5.6,
	10, 18, 32, 56, 100, 180, 320, 560, 1000, 1800, 3200, 5600, 10000,
}

// LatencyHistogram counts durations from 10 ms to 10,000 s in logarithmic buckets. The zero value is empty. Its methods are safe
// for concurrent use and hold no lock.
type LatencyHistogram struct {
	counts [len(latencyBounds) + 1]atomic.Int64
	sum    atomic.Int64 // nanoseconds
}

// Add counts a duration.
func (h *LatencyHistogram) Add(d time.Duration) {
	h.counts[sort.SearchFloat64s(latencyBounds[:], d.Seconds())].Add(1)
	h.sum.Add(int64(d))
}

// Histogram returns the durations so far; nil without any. Durations that are added meanwhile may be left out.
func (h *LatencyHistogram) Histogram() *Histogram {
	out := &Histogram{Bounds: slices.Clone(latencyBounds[:]), Counts: make([]int64, len(h.counts)), Sum: time.Duration(h.sum.Load()).Seconds()}
	var all int64
	for i := range h.counts {
		out.Counts[i] = h.counts[i].Load()
		all += out.Counts[i]
	}
	if all == 0 {
		return nil
	}
	return out
}

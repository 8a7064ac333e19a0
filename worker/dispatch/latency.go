package dispatch

import (
	"slices"
	"sync"
	"time"
)

// latency keeps the times from the request to the answers of the last rows.
type latency struct {
	mu   sync.Mutex
	last [512]time.Duration
	n    int // rows so far
}

func (l *latency) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[l.n%len(l.last)] = d
	l.n++
}

// p95 returns the 95th percentile of the last rows; 0 before the first row.
func (l *latency) p95() time.Duration {
	l.mu.Lock()
	sorted := slices.Clone(l.last[:min(l.n, len(l.last))])
	l.mu.Unlock()
	if len(sorted) == 0 {
		return 0
	}
	slices.Sort(sorted)
	return sorted[(len(sorted)-1)*95/100]
}

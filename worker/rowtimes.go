package worker

import (
	"slices"
	"sync"
	"time"
)

// rowTimes are how long the last rows took from the request to the answer.
type rowTimes struct {
	mu   sync.Mutex
	last [512]time.Duration
	n    int // rows so far
}

func (t *rowTimes) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last[t.n%len(t.last)] = d
	t.n++
}

// p95 is the time within which 95 of 100 rows came to their end; 0 where there were none.
func (t *rowTimes) p95() time.Duration {
	t.mu.Lock()
	sorted := slices.Clone(t.last[:min(t.n, len(t.last))])
	t.mu.Unlock()
	if len(sorted) == 0 {
		return 0
	}
	slices.Sort(sorted)
	return sorted[(len(sorted)-1)*95/100]
}

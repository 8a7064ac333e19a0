package record

import (
	"testing"
	"time"
)

// The rows of a trial are those of its limit, or of the input where it has fewer.
func TestProgressOfATrial(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ size, limit, rows, want int64 }{
		{1000, 0, 1, 100}, {1000, 5, 1, 5}, {1000, 5, 5, 5}, {1000, 500, 1, 100}, {0, 5, 1, 5}, {0, 0, 1, 0},
	} {
		var c Counters
		c.Expect(tt.size, tt.limit, time.Time{})
		for i := range tt.rows {
			c.Saw(10 * (i + 1))
		}
		if got := c.Progress().Total; got != tt.want {
			t.Errorf("%d rows of %d bytes, limit %d: %d in all, want %d", tt.rows, tt.size, tt.limit, got, tt.want)
		}
	}
	var c Counters
	c.Expect(0, 500, time.Time{})
	c.Saw(10)
	c.SawAll(1, 0)
	if got := c.Progress().Total; got != 1 {
		t.Errorf("an input of one row: %d in all", got)
	}
}

// Late follows from the rate so far, the rows left and the job's end.
func TestProgressLate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := Progress{OK: 100, Total: 300, Elapsed: 100 * time.Second, Ends: now.Add(150 * time.Second)}
	if late, ok := p.Late(now); !ok || late != 50*time.Second {
		t.Errorf("200 s of rows in 150 s: %s late (%t), want 50 s", late, ok)
	}
	p.Ends = now.Add(time.Hour)
	if late, ok := p.Late(now); !ok || late != 200*time.Second-time.Hour {
		t.Errorf("with an hour: %s late (%t)", late, ok)
	}
	for _, unknown := range []Progress{{OK: 1, Total: 2, Elapsed: 1}, {Total: 5, Ends: now}, {OK: 5, Elapsed: time.Second, Ends: now}} {
		if _, ok := unknown.Late(now); ok {
			t.Errorf("%+v: it cannot be known whether that is late", unknown)
		}
	}
}

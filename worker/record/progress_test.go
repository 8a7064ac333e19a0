package record

import (
	"testing"
	"time"
)

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

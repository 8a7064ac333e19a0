package worker

import (
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxworker/worker/ollama"
)

// workingShare is the part of one core that a server's processes take at least while they generate: the engine waits for
// its GPU by spinning. A server that hangs, or is stopped, takes next to nothing.
const workingShare = 0.05

// watchServer ends a server of our own that hangs or grows too large, and calls lost when it is gone, for whatever reason.
// The returned function ends the watch and waits for it.
//
// Whether a server hangs is decided by progress, not by age: with rows in flight, it has neither answered one nor worked
// for StallTimeout. A generation that takes an hour keeps a core busy all that time.
func (r *run) watchServer(m *member, lost func()) (stop func()) {
	if m.server == nil {
		return func() {}
	}
	stopped := make(chan struct{})
	var g errgroup.Group
	g.Go(func() error {
		select {
		case <-m.server.Done():
			lost()
		case <-stopped:
		}
		return nil
	})
	g.Go(func() error {
		tick := time.NewTicker(r.StallTimeout / 4)
		defer tick.Stop()
		w := watchdog{member: m, timeout: r.StallTimeout, mostBytes: r.MaxServerBytes, progress: time.Now()}
		for {
			select {
			case <-tick.C:
				if reason := w.look(time.Now()); reason != nil {
					m.end(reason, false)
				}
			case <-m.server.Done():
				return nil
			case <-stopped:
				return nil
			}
		}
	})
	return func() { close(stopped); g.Wait() }
}

// watchdog is what it knows of one server.
type watchdog struct {
	*member
	timeout   time.Duration
	mostBytes int64

	answers  int64
	usage    ollama.Consumption
	looked   time.Time
	progress time.Time // when the server was last seen to get on
}

// look returns why the server is to be ended, or nil.
func (w *watchdog) look(now time.Time) error {
	usage, err := w.server.Consumption()
	if err != nil {
		return nil // it is gone, which others notice
	}
	if w.mostBytes > 0 && usage.RSS > w.mostBytes {
		return fmt.Errorf("it takes %d MiB of host memory, more than --max-server-memory allows (%d MiB)", usage.RSS>>20, w.mostBytes>>20)
	}
	answers := w.answered.Load()
	worked := usage.CPU - w.usage.CPU
	if w.asking.Load() == 0 || answers != w.answers || w.looked.IsZero() || worked.Seconds() > workingShare*now.Sub(w.looked).Seconds() {
		w.progress = now
	}
	w.answers, w.usage, w.looked = answers, usage, now
	if now.Sub(w.progress) >= w.timeout {
		return fmt.Errorf("it hangs: no answer and no work for %s (--stall-timeout)", now.Sub(w.progress).Round(time.Second))
	}
	return nil
}

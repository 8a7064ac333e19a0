package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxworker/worker/ollama"
)

// workingShare is the part of one core that a server's processes take at least while they generate: the engine waits for
// its GPU by spinning. A server that hangs, or is stopped, takes next to nothing.
//
// The tokens themselves would be the best sign of life, and streamed answers would show them. They cost 6 % of the rows per
// second on a small model and a way of reading answers that the rest does not need. So a server that works counts as
// getting on, and one that works in vain, because it spins for a GPU that hangs, is found by the request timeout.
const workingShare = 0.05

// watchServer ends a server of our own that hangs or grows too large, and calls lost when it is gone, for whatever reason.
// The returned function ends the watch and waits for it.
//
// Whether a server hangs is decided by progress, not by age: with rows in flight, it has neither answered one nor worked,
// on the CPU or on a GPU, for StallTimeout. A generation that takes an hour keeps one of them busy all that time.
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
		defer r.memory.forget(m)
		w := watchdog{member: m, run: r, timeout: r.StallTimeout, progress: time.Now()}
		for {
			select {
			case <-tick.C:
				if e := w.look(time.Now()); e != nil {
					m.end(*e)
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
	run     *run
	timeout time.Duration

	answers  int64
	gpuLooks int64
	usage    ollama.Consumption
	looked   time.Time
	progress time.Time // when the server was last seen to get on
	slow     bool      // the log says that the server is kept although a part of the model left its GPU
}

// look returns why the server is to be ended, or nil.
func (w *watchdog) look(now time.Time) *ending {
	usage, err := w.server.Consumption()
	if err != nil {
		return nil // it is gone, which others notice
	}
	if w.misses(usage) {
		if ended(context.Background(), w.server, dyingTime) {
			return nil // all of it was going
		}
		// Nobody had a request that failed: the next one would load the model again, wherever there is room then.
		return &ending{reason: errors.New("its runner died")}
	}
	if err := w.tooLarge(usage.Memory); err != nil {
		return &ending{reason: err, innocent: true}
	}
	if err := w.offGPU(); err != nil {
		return &ending{reason: err, innocent: true}
	}
	answers, gpuLooks := w.answered.Load(), w.gpuBusy.Load()
	worked := (usage.CPU-w.usage.CPU).Seconds() > workingShare*now.Sub(w.looked).Seconds() || gpuLooks != w.gpuLooks
	if w.asking.Load() == 0 || answers != w.answers || w.looked.IsZero() || worked {
		w.progress = now
	}
	w.answers, w.gpuLooks, w.usage, w.looked = answers, gpuLooks, usage, now
	if now.Sub(w.progress) >= w.timeout {
		return &ending{reason: fmt.Errorf("it hangs: no answer and no work for %s (--stall-timeout)", now.Sub(w.progress).Round(time.Second))}
	}
	return nil
}

// offGPU returns an error when a part of the model is not on the GPU any more: a server that loaded the model again beside
// another process is many times slower for good, and only a new start helps. A server that may not be started again is
// kept, since a slow server is better than none.
func (w *watchdog) offGPU() error {
	if w.footprint.GPUBytes == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.timeout/4)
	defer cancel()
	now, err := w.client.Loaded(ctx, w.run.Defaults.Model)
	if err != nil || now.GPUBytes >= w.footprint.GPUBytes {
		return nil // a server that does not answer here is judged by its rows
	}
	reason := fmt.Errorf("only %d of the model's %d MiB are on the GPU any more", now.GPUBytes>>20, w.footprint.GPUBytes>>20)
	if w.recentRestarts() < w.run.MaxRestarts {
		return reason
	}
	if !w.slow {
		w.slow = true
		w.run.log.Warn().Str("server", w.name).Err(reason).Int("max_restarts", w.run.MaxRestarts).Msg("the server has become slow; it may not be started again")
	}
	return nil
}

// tooLarge is why a server that holds so much of the host's memory is to be started anew, or nil. Where all of them together
// come near the job's limit, it is the one that holds most.
func (w *watchdog) tooLarge(bytes int64) error {
	total, most := w.run.memory.note(w.member, bytes)
	switch {
	case w.run.MaxServerBytes > 0 && bytes > w.run.MaxServerBytes:
		return fmt.Errorf("it takes %d MiB of host memory, more than --max-server-memory allows (%d MiB)", bytes>>20, w.run.MaxServerBytes>>20)
	case w.run.MostForServers > 0 && total > w.run.MostForServers && most:
		return fmt.Errorf("the servers take %d MiB of host memory, this one most, and the job has %d MiB (%s); --max-server-memory 0 lets them",
			total>>20, w.run.Place.Enforced.Bytes>>20, w.run.Place.Enforced.From)
	}
	return nil
}

package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fluxworker/worker/ollama"
)

// workingShare is the part of one core that a server's processes take at least while they generate: the engine waits for
// its GPU by spinning. A server that hangs, or is stopped, takes next to nothing.
//
// The tokens themselves would be the best sign of life, and streamed answers would show them. They cost 6 % of the rows per
// second on a small model and a way of reading answers that the rest does not need. So a server that works counts as
// getting on, and one that works in vain, because it spins for a GPU that hangs, is found by the request timeout.
const workingShare = 0.05

// watch ends a server of our own that hangs, grows too large or leaves its GPU. The returned function ends the watch and waits
// for that.
//
// Progress decides whether a server hangs, not age: with rows in flight, it has neither answered one nor worked, on the CPU
// or on a GPU, for StallTimeout. A generation that takes an hour keeps one of them busy all that time.
func (f *Fleet) watch(s *Server, a Activity) (stop func()) {
	if s.process == nil {
		return func() {}
	}
	stopped := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(f.config.StallTimeout / 4)
		defer tick.Stop()
		defer f.memory.forget(s)
		w := watchdog{fleet: f, server: s, activity: a, progress: time.Now()}
		for {
			select {
			case <-tick.C:
				if e := w.inspect(time.Now()); e != nil {
					s.end(*e)
				}
			case <-s.process.Done():
				return
			case <-stopped:
				return
			}
		}
	})
	return func() { close(stopped); watching.Wait() }
}

// watchdog judges one server by its processes and its traffic.
type watchdog struct {
	fleet    *Fleet
	server   *Server
	activity Activity

	completed  int64
	gpuSamples int64
	usage      ollama.Consumption
	inspected  time.Time
	progress   time.Time // when the server was last seen to get on
	slow       bool      // the log says that the server is kept although a part of the model left its GPU
}

// inspect returns why the server is to be ended, or nil.
func (w *watchdog) inspect(now time.Time) *ending {
	s := w.server
	usage, err := s.process.Consumption()
	if err != nil {
		return nil // it is gone, and serve will notice
	}
	if s.misses(usage) {
		if s.gone(context.Background(), dyingTime) {
			return nil // all of it was going
		}
		// No row had a request that failed: the next request would load the model again, wherever there is room then.
		return &ending{reason: errors.New("its runner died")}
	}
	if err := w.tooLarge(usage.Memory); err != nil {
		return &ending{reason: err, blameless: true}
	}
	if err := w.offGPU(); err != nil {
		return &ending{reason: err, blameless: true}
	}
	completed, gpuSamples := w.activity.Completed(), s.gpuBusy.Load()
	worked := (usage.CPU-w.usage.CPU).Seconds() > workingShare*now.Sub(w.inspected).Seconds() || gpuSamples != w.gpuSamples
	if w.activity.InFlight() == 0 || completed != w.completed || w.inspected.IsZero() || worked {
		w.progress = now
	}
	w.completed, w.gpuSamples, w.usage, w.inspected = completed, gpuSamples, usage, now
	if now.Sub(w.progress) >= w.fleet.config.StallTimeout {
		return &ending{reason: fmt.Errorf("it hangs: no answer and no work for %s (--stall-timeout)", now.Sub(w.progress).Round(time.Second))}
	}
	return nil
}

// runnerDied returns the reason of a server whose runner died, as a request noticed.
func runnerDied(failed error) error { return fmt.Errorf("its runner died: %w", failed) }

// offGPU returns an error when a part of the model is not on the GPU any more: a server that loaded the model again beside
// another process is many times slower for good, and only a new start helps. A server that may not be started again is
// kept, since a slow server is better than none.
func (w *watchdog) offGPU() error {
	if w.server.footprint.GPUBytes == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.fleet.config.StallTimeout/4)
	defer cancel()
	now, err := w.server.client.Loaded(ctx, w.fleet.config.Model)
	if err != nil || now.GPUBytes >= w.server.footprint.GPUBytes {
		return nil // a server that does not answer here is judged by its rows
	}
	reason := fmt.Errorf("only %d of the model's %d MiB are on the GPU any more", now.GPUBytes>>20, w.server.footprint.GPUBytes>>20)
	if w.server.recentRestarts() < w.fleet.config.MaxRestarts {
		return reason
	}
	if !w.slow {
		w.slow = true
		w.fleet.log.Warn().Str("server", w.server.name).Err(reason).Int("max_restarts", w.fleet.config.MaxRestarts).Msg("the server has become slow; it may not be started again")
	}
	return nil
}

// tooLarge returns why a server that holds so much of the host's memory is to be started anew, or nil. Where all of them together
// come near the job's limit, it is the one that holds most.
func (w *watchdog) tooLarge(bytes int64) error {
	total, most := w.fleet.memory.add(w.server, bytes)
	switch {
	case w.fleet.config.MaxServerBytes > 0 && bytes > w.fleet.config.MaxServerBytes:
		return fmt.Errorf("it takes %d MiB of host memory, more than --max-server-memory allows (%d MiB)", bytes>>20, w.fleet.config.MaxServerBytes>>20)
	case w.fleet.config.MaxFleetBytes > 0 && total > w.fleet.config.MaxFleetBytes && most:
		return fmt.Errorf("the servers take %d MiB of host memory, this one most, and the job has %d MiB (%s); --max-server-memory 0 lets them",
			total>>20, w.fleet.config.Enforced.Bytes>>20, w.fleet.config.Enforced.From)
	}
	return nil
}

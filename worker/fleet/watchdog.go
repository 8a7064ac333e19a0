package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fluxworker/worker/ollama"
)

// workingShare is the smallest share of one core that a generating server uses: the engine waits for its GPU by spinning. A
// server that hangs, or is stopped, uses almost nothing.
//
// Tokens would be the best sign of life, and streamed answers would show them. But streaming costs 6 % of the rows per second
// on a small model, and a second way to read answers. So work counts as progress, and the request timeout finds a server that
// works in vain because it spins for a hung GPU.
const workingShare = 0.05

// memoryEvery is the longest time between two checks of a server's host memory: a server that grows by
// gigabytes within a minute is ended before the kernel ends a process of its choice.
const memoryEvery = 5 * time.Second

// watch ends a server of this run that hangs, lost its runner, grows too large, or moves a part of the model off its GPU.
// stop ends the watch and waits for its end.
//
// A server hangs when it has made no progress for StallTimeout: with rows in flight, it completed no request and worked
// neither on the CPU nor on a GPU. The age of a request does not count: a generation of an hour keeps one of them busy all
// that time.
func (f *Fleet) watch(s *Server, a Activity) (stop func()) {
	if s.process == nil {
		return func() {}
	}
	stopped := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(min(f.config.StallTimeout/4, memoryEvery))
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

	asked time.Time // when Ollama last said how much of the model is on the GPU

	// The state at the last inspection.
	completed  int64
	gpuSamples int64
	usage      ollama.Consumption
	inspected  time.Time

	progress time.Time // of the last inspection that found progress
	slow     bool      // the log says already that the server stays although a part of the model left its GPU
}

// inspect returns why the server must end; nil for a server that may go on.
func (w *watchdog) inspect(now time.Time) *ending {
	s := w.server
	usage, err := s.process.Consumption()
	if err != nil {
		return nil // the server is gone, and serve notices that
	}
	if s.lacksProcess(usage) {
		if s.gone(context.Background(), exitTimeout) {
			return nil // the whole server was about to end
		}
		// No request has failed, so no row noticed it. The next request would load the model again, unverified.
		return &ending{reason: errors.New("its runner died")}
	}
	if err := w.tooLarge(usage.Memory); err != nil {
		return &ending{reason: err, blameless: true}
	}
	if err := w.offGPU(now); err != nil {
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

// runnerDied returns the reason to end a server whose runner died during a request that failed.
func runnerDied(failed error) error { return fmt.Errorf("its runner died: %w", failed) }

// offGPU returns an error when a part of the model has left the GPU: a server that loaded the model again beside another
// process stays many times slower, and only a restart helps. A server without restarts left stays: a slow server is better
// than no server.
func (w *watchdog) offGPU(now time.Time) error {
	if w.server.footprint.GPUBytes == 0 || now.Sub(w.asked) < w.fleet.config.StallTimeout/4 {
		return nil
	}
	w.asked = now
	ctx, cancel := context.WithTimeout(context.Background(), w.fleet.config.StallTimeout/4)
	defer cancel()
	loaded, err := w.server.client.Loaded(ctx, w.fleet.config.Model)
	if err != nil || loaded.GPUBytes >= w.server.footprint.GPUBytes {
		return nil // rows show whether a server that does not answer here still works
	}
	reason := fmt.Errorf("only %d of the model's %d MiB are on the GPU any more", loaded.GPUBytes>>20, w.server.footprint.GPUBytes>>20)
	if w.server.recentRestarts() < w.fleet.config.MaxRestarts {
		return reason
	}
	if !w.slow {
		w.slow = true
		w.fleet.log.Warn().Str("server", w.server.name).Err(reason).Int("max_restarts", w.fleet.config.MaxRestarts).Msg("the server has become slow; it may not be started again")
	}
	return nil
}

// tooLarge returns an error when the server, which holds so many bytes of host memory, must be restarted: it holds more than
// MaxServerBytes, or the fleet holds more than MaxFleetBytes and no server holds more than this one.
func (w *watchdog) tooLarge(bytes int64) error {
	total, largest := w.fleet.memory.set(w.server, bytes)
	switch {
	case w.fleet.config.MaxServerBytes > 0 && bytes > w.fleet.config.MaxServerBytes:
		return fmt.Errorf("it takes %d MiB of host memory, more than --max-server-memory allows (%d MiB)", bytes>>20, w.fleet.config.MaxServerBytes>>20)
	case w.fleet.config.MaxFleetBytes > 0 && total > w.fleet.config.MaxFleetBytes && largest:
		return fmt.Errorf("the servers together take %d MiB of host memory, this server the most, and the job has %d MiB (%s); --max-server-memory 0 turns this check off",
			total>>20, w.fleet.config.Enforced.Bytes>>20, w.fleet.config.Enforced.From)
	}
	return nil
}

package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

const (
	// settleTime is how long a row waits after a broken connection before the server's processes are counted.
	settleTime = 500 * time.Millisecond
	// dyingTime is how long a server may take to be gone that lost a process: its guard first ends what is left of it.
	dyingTime = 2 * time.Second
	// restartWindow is the time within which MaxRestarts counts: a server that dies once a day may do so for a year.
	restartWindow = 10 * time.Minute
)

// Server is the process side of one server of the fleet: what was planned for it, the processes that run now, and how often
// they were started. The traffic is the business of its lane.
type Server struct {
	number  int // in the plan
	name    string
	plan    batcher.Server
	slots   int // as started: fewer than planned where the plan did not hold
	context int // tokens of a slot
	cache   string
	logPath string

	process *ollama.Server // nil for a server that somebody else runs
	client  *ollama.Client

	footprint ollama.Footprint // after the load
	layers    *ollama.Layers
	grown     []int64       // by how much more of each of its GPUs was in use then
	leftOut   *OffloadError // why it does not serve; nil where it serves

	gpuBusy atomic.Int64 // samples of its GPUs that found one of them computing

	mu       sync.Mutex
	restarts []time.Time
	exempt   bool           // a row was the cause of the last end
	live     *ollama.Server // the process, for those who watch it from outside
	procs    []int          // its processes as they were when it was ready
	ended    *ending        // why it is ended from here; nil where it went by itself
}

// ending says why a server is ended.
type ending struct {
	reason    error
	final     bool // starting it again would be of no use
	blameless bool // no row can be to blame, whichever it had
}

// Name returns the server's name for logs: its number, and its GPUs.
func (s *Server) Name() string { return s.name }

// Own reports whether the server is a process of this run.
func (s *Server) Own() bool { return s.process != nil }

// Slots returns the number of slots with which the server was started last.
func (s *Server) Slots() int { return s.slots }

// Context returns the context length of each slot, in tokens.
func (s *Server) Context() int { return s.context }

// Ask gets one answer. Errors: those of ollama.Client.
func (s *Server) Ask(ctx context.Context, within time.Duration, r prompt.Request) (*ollama.Answer, error) {
	return s.client.AskWithin(ctx, within, r)
}

// Lost returns a channel that is closed when the server is gone; nil for a server that somebody else runs.
func (s *Server) Lost() <-chan struct{} {
	if s.process == nil {
		return nil
	}
	return s.process.Done()
}

// Ending reports whether the server is being ended from here, or was.
func (s *Server) Ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended != nil
}

// Blameless reports whether the server was ended for a reason that has nothing to do with the rows that it had.
func (s *Server) Blameless() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended != nil && s.ended.blameless
}

// End ends the server and waits for that. A blameless end leaves no row under suspicion.
func (s *Server) End(reason error, blameless bool) {
	s.end(ending{reason: reason, blameless: blameless})
}

func (s *Server) end(e ending) {
	s.mu.Lock()
	live := s.live
	if live != nil && s.ended == nil {
		s.ended = &e
	}
	s.mu.Unlock()
	if live != nil {
		live.Stop()
	}
}

// Exempt takes the last restarts and the next one out of those that count against the server: a row was the cause.
func (s *Server) Exempt(restarts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restarts, s.exempt = s.restarts[:max(0, len(s.restarts)-restarts)], true
}

// recentRestarts returns how often the server was started again within restartWindow.
func (s *Server) recentRestarts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restarts = slices.DeleteFunc(s.restarts, func(t time.Time) bool { return time.Since(t) > restartWindow })
	return len(s.restarts)
}

// countRestart counts a restart, unless a row was the cause of the server's end.
func (s *Server) countRestart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.exempt {
		s.restarts = append(s.restarts, time.Now())
	}
	s.exempt = false
}

// begun takes note of the processes of a server that is up.
func (s *Server) begun() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live, s.ended = s.process, nil
	s.procs = nil
	if usage, err := s.process.Consumption(); err == nil {
		s.procs = usage.Procs
	}
}

// stop ends the process and closes its connections.
func (s *Server) stop() {
	if s.client != nil {
		s.client.Close()
	}
	if s.process != nil {
		s.process.Stop()
	}
}

// lossError returns why the server is gone, and whether that is final.
func (s *Server) lossError() (_ error, final bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return s.process.Failed("run server", s.ended.reason), s.ended.final
	}
	return s.process.Err(), false
}

// Down reports whether a failed request is the end of its server: of the whole of it, or of its runner. A server without
// its runner is ended: it would load the model again by itself, but unverified, and rows that kill runners would never be
// found.
func (s *Server) Down(ctx context.Context, failed *ollama.UnavailableError) bool {
	switch {
	case s.process == nil:
		return false
	case s.Ending():
		return true
	case errors.Is(failed, ollama.ErrTimeout):
		return false
	case failed.Status != 0:
		if s.lostProcess() {
			s.end(ending{reason: runnerDied(failed)})
			return true
		}
		return false
	}
	// A process lets go of its connections a moment before it is gone. A server that listens no more may take longer to end,
	// and until then no other row gets anywhere, either.
	settle := settleTime
	if errors.Is(failed, syscall.ECONNREFUSED) {
		settle = dyingTime
	}
	if s.gone(ctx, settle) || s.Ending() {
		return true
	}
	if ctx.Err() != nil || !s.lostProcess() {
		return false
	}
	if !s.gone(ctx, dyingTime) {
		s.end(ending{reason: runnerDied(failed)})
	}
	return true
}

// gone reports whether the process has ended, or ends within the time.
func (s *Server) gone(ctx context.Context, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-s.process.Done():
		return true
	case <-timer.C:
		return false
	case <-ctx.Done():
	}
	select {
	case <-s.process.Done(): // and that ended the context
		return true
	default:
		return false
	}
}

// lostProcess reports whether a process of the server that was there when it was ready is gone.
func (s *Server) lostProcess() bool {
	usage, err := s.process.Consumption()
	return err != nil || s.misses(usage)
}

// misses reports whether a process that was there when the server was ready is not among these.
func (s *Server) misses(usage ollama.Consumption) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pid := range s.procs {
		if _, there := slices.BinarySearch(usage.Procs, pid); !there {
			return true
		}
	}
	return false
}

// computesOn reports whether a GPU is one of the server's.
func (s *Server) computesOn(d gpu.Device) bool {
	return slices.ContainsFunc(s.plan.Devices, func(own gpu.Device) bool { return own.UUID == d.UUID })
}

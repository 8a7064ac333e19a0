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
	// exitWait is the time from a broken connection to the check of the server's processes: a dying server needs it to end.
	exitWait = 500 * time.Millisecond
	// exitTimeout bounds the end of a server that lost a process or listens no more: its guard first ends the other
	// processes.
	exitTimeout = 2 * time.Second
	// restartWindow is the time within which MaxRestarts counts: a server that dies once a day may do so for a year.
	restartWindow = 10 * time.Minute
)

// Server is one server of the fleet: its plan, its processes and its restarts. The traffic belongs to its lane.
type Server struct {
	number  int // in the plan, from 0
	name    string
	plan    batcher.Server
	slots   int    // of the last start: fewer than planned where the GPUs did not hold the plan
	context int    // of a slot, in tokens
	cache   string // KV cache type
	ubatch  int    // number of prompt tokens that are processed at once; 0 leaves it to the server
	logPath string

	process *ollama.Server // nil for a server that runs already
	client  client

	footprint ollama.Footprint // after the load
	layers    *ollama.Layers
	grown     []int64       // growth of the used memory of each GPU by the load, in bytes
	excluded  *OffloadError // why the server does not serve; nil where it serves

	gpuBusy atomic.Int64 // samples with a busy GPU of this server

	mu       sync.Mutex
	restarts []time.Time
	exempt   bool           // a row caused the last end: the next restart does not count
	live     *ollama.Server // process, for other goroutines
	procs    []int          // PIDs of the server when it was ready, sorted
	ended    *ending        // why this run ended the server; nil where it ended by itself
	final    error          // why no restart would help, also where it came while the server was down; nil otherwise
}

// ending says why this run ends a server.
type ending struct {
	reason    error
	final     bool // a restart would not help
	blameless bool // no row of the server can be the cause
}

// Name returns the server's name for logs: its number and its GPUs, or its address.
func (s *Server) Name() string { return s.name }

// Own reports whether the server is a process of this run.
func (s *Server) Own() bool { return s.process != nil }

// Slots returns the number of slots with which the server was started last.
func (s *Server) Slots() int { return s.slots }

// Context returns the context length of each slot, in tokens.
func (s *Server) Context() int { return s.context }

// Ask gets one answer. Errors: those of ollama.Client.
func (s *Server) Ask(ctx context.Context, within time.Duration, r prompt.Request, room *ollama.Room) (*ollama.Answer, error) {
	return s.client.AskWithin(ctx, within, r, room)
}

// Lost returns a channel that is closed when the server is gone; nil for a server that runs already.
func (s *Server) Lost() <-chan struct{} {
	if s.process == nil {
		return nil
	}
	return s.process.Done()
}

// Ending reports whether this run has ended the server or is ending it.
func (s *Server) Ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended != nil
}

// Blameless reports whether this run ended the server for a reason that has nothing to do with its rows.
func (s *Server) Blameless() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended != nil && s.ended.blameless
}

// End ends the server and waits for its end. After a blameless end, no row of the server is a suspect.
func (s *Server) End(reason error, blameless bool) {
	s.end(ending{reason: reason, blameless: blameless})
}

// end ends the server and waits for its end. The first ending since the start counts.
func (s *Server) end(e ending) {
	s.mu.Lock()
	if e.final && s.final == nil {
		s.final = e.reason
	}
	live := s.live
	if live != nil && s.ended == nil {
		s.ended = &e
	}
	s.mu.Unlock()
	if live != nil {
		live.Stop()
	}
}

// Exempt removes the last restarts from the count against MaxRestarts, and leaves out the next restart: a row was the cause.
func (s *Server) Exempt(restarts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restarts, s.exempt = s.restarts[:max(0, len(s.restarts)-restarts)], true
}

// recentRestarts returns the number of counted restarts within restartWindow.
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

// setReady stores a server that is ready, and its processes if all of them must live: other programs than Ollama have processes
// that end on their own.
func (s *Server) setReady(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live, s.ended = s.process, nil
	s.procs = nil
	if !all {
		return
	}
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

// finalReason returns why no restart would help; nil where one may.
func (s *Server) finalReason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.final
}

// lossError returns why the server is gone, and whether the loss is final.
func (s *Server) lossError() (_ error, final bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.final != nil {
		return s.process.Failed("run server", s.final), true
	}
	if s.ended != nil {
		return s.process.Failed("run server", s.ended.reason), false
	}
	return s.process.Err(), false
}

// Down reports whether the failed request means that the server is gone, or its runner. It ends a server without its runner:
// such a server would load the model again by itself, but unverified, and rows that kill runners would never be found.
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
	// A dying process closes its connections a moment before its end. A server that listens no more may take longer to end,
	// and cannot answer another row until then.
	wait := exitWait
	if errors.Is(failed, syscall.ECONNREFUSED) {
		wait = exitTimeout
	}
	if s.gone(ctx, wait) || s.Ending() {
		return true
	}
	switch {
	case ctx.Err() != nil:
		return false
	case !s.lostProcess():
		// On a busy machine the end of a process takes longer. A living server answers.
		return !s.answers(ctx) && (s.gone(ctx, exitTimeout) || s.Ending())
	case !s.gone(ctx, exitTimeout):
		s.end(ending{reason: runnerDied(failed)})
	}
	return true
}

// answers reports whether the server answers a question about itself within exitTimeout.
func (s *Server) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, exitTimeout)
	defer cancel()
	_, err := s.client.WaitAnswering(ctx)
	return err == nil
}

// gone reports whether the process has ended or ends within the given time.
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
	case <-s.process.Done(): // the end of the process may have ended the context
		return true
	default:
		return false
	}
}

// lostProcess reports whether one of the processes of the ready server is gone.
func (s *Server) lostProcess() bool {
	usage, err := s.process.Consumption()
	return err != nil || s.lacksProcess(usage)
}

// lacksProcess reports whether usage lacks one of the processes of the ready server.
func (s *Server) lacksProcess(usage ollama.Consumption) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pid := range s.procs {
		if _, there := slices.BinarySearch(usage.Procs, pid); !there {
			return true
		}
	}
	return false
}

// computesOn reports whether the server has this GPU.
func (s *Server) computesOn(d gpu.Device) bool {
	return slices.ContainsFunc(s.plan.Devices, func(own gpu.Device) bool { return own.UUID == d.UUID })
}

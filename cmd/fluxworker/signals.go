package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// echo is for how long a further SIGTERM is taken for the first one once more: of a task that srun started, SLURM tells both
// it and srun of the time limit, and srun passes that on.
const echo = time.Second

// signals are those by which SLURM and people end a job, turned into the two steps of an orderly end: the first one closes
// drain, the second cancels the context. USR1 is what --signal=USR1@60 asks SLURM to send before the limit.
type signals struct {
	drain chan struct{}
	first os.Signal // valid once drain is closed

	ended chan struct{}
	stop  func()
}

// onSignals begins to listen. Give back ends it.
func onSignals(parent context.Context) (context.Context, *signals) {
	ctx, cancel := context.WithCancel(parent)
	came := make(chan os.Signal, 2)
	signal.Notify(came, os.Interrupt, syscall.SIGTERM, syscall.SIGUSR1)
	s := &signals{drain: make(chan struct{}), ended: make(chan struct{})}
	s.stop = func() { signal.Stop(came); cancel() }
	go func() {
		defer close(s.ended)
		s.listen(ctx, came)
		cancel()
	}()
	return ctx, s
}

// listen returns at the second signal.
func (s *signals) listen(ctx context.Context, came <-chan os.Signal) {
	var at time.Time // of the first
	for {
		select {
		case c := <-came:
			switch {
			case at.IsZero():
				at, s.first = time.Now(), c
				close(s.drain)
			case c != syscall.SIGTERM || s.first != syscall.SIGTERM || time.Since(at) >= echo:
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// giveBack lets the signals do again what they do to any program, and waits for the end of the listening.
func (s *signals) giveBack() {
	s.stop()
	<-s.ended
}

// warned tells whether the first signal was SLURM's warning that the time comes to its end. TERM is none: it comes with
// scancel, too.
func (s *signals) warned() bool {
	select {
	case <-s.drain:
		return s.first == syscall.SIGUSR1
	default:
		return false
	}
}

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

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
		for n := 0; n < 2; n++ {
			select {
			case c := <-came:
				if n == 0 {
					s.first = c
					close(s.drain)
				}
			case <-ctx.Done():
				return
			}
		}
		cancel()
	}()
	return ctx, s
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

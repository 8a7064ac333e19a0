package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// echo is the time in which a second SIGTERM or SIGHUP counts as a copy of the first: at the time limit SLURM signals both srun
// and the task that srun started, and srun passes the signal on. When a terminal closes, the shell sends SIGHUP, and then the
// kernel.
const echo = time.Second

// signals turns the signals of SLURM and of people into the two steps of an orderly end: the first signal closes drain, the
// second cancels the context. --signal=USR1@60 asks SLURM to send USR1 before the limit.
type signals struct {
	drain chan struct{}
	first os.Signal // valid once drain is closed

	ended chan struct{}
	stop  func()
}

// onSignals starts to listen. giveBack ends it.
func onSignals(parent context.Context) (context.Context, *signals) {
	ctx, cancel := context.WithCancel(parent)
	came := make(chan os.Signal, 2)
	signal.Notify(came, endingSignals()...)
	s := &signals{drain: make(chan struct{}), ended: make(chan struct{})}
	s.stop = func() { signal.Stop(came); cancel() }
	go func() {
		defer close(s.ended)
		s.listen(ctx, came)
		cancel()
	}()
	return ctx, s
}

// endingSignals returns the signals that end a run. A program that was started with SIGHUP ignored, by nohup, goes on after the
// terminal has closed.
func endingSignals() []os.Signal {
	list := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGUSR1}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// comesTwice reports whether one event may send the signal twice, or both such signals: the end of a session sends TERM and HUP.
func comesTwice(s os.Signal) bool { return s == syscall.SIGTERM || s == syscall.SIGHUP }

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
			case !comesTwice(c) || !comesTwice(s.first) || time.Since(at) >= echo:
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// onFirst calls do at the first signal, also if the signal has come before. stop ends the wait.
func (s *signals) onFirst(do func()) (stop func()) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-s.drain:
			do()
		case <-stopped:
		}
	}()
	return func() { close(stopped); <-ended }
}

// giveBack restores the default effect of the signals, and waits for the end of the listening.
func (s *signals) giveBack() {
	s.stop()
	<-s.ended
}

// warned reports whether the first signal was SLURM's warning before the time limit. TERM does not count, since scancel sends
// it as well.
func (s *signals) warned() bool {
	select {
	case <-s.drain:
		return s.first == syscall.SIGUSR1
	default:
		return false
	}
}

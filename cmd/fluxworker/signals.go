package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// onSignals turns the signals by which SLURM and people end a job into the two steps of an orderly end: the first one
// closes drain, the second cancels the context. USR1 is what --signal=USR1@60 asks SLURM to send before the limit.
// stop gives the signals back and waits for its goroutine.
func onSignals(parent context.Context) (ctx context.Context, drain <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGUSR1)
	first := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; n < 2; n++ {
			select {
			case <-signals:
			case <-ctx.Done():
				return
			}
			if n == 0 {
				close(first)
			}
		}
		cancel()
	}()
	return ctx, first, func() {
		signal.Stop(signals)
		cancel()
		<-ended
	}
}

package main

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The second signal ends a run at once, but for a SIGTERM that only comes by two ways.
func TestSecondSignal(t *testing.T) {
	tests := []struct {
		name          string
		first, second os.Signal
		after         time.Duration
		ends          bool
	}{
		{"SLURM's to the task, and the same by way of srun", syscall.SIGTERM, syscall.SIGTERM, 100 * time.Millisecond, false},
		{"a later TERM", syscall.SIGTERM, syscall.SIGTERM, echo, true},
		{"the shell's HUP, and the kernel's", syscall.SIGHUP, syscall.SIGHUP, 100 * time.Millisecond, false},
		{"the end of a session", syscall.SIGTERM, syscall.SIGHUP, 100 * time.Millisecond, false},
		{"a later HUP", syscall.SIGHUP, syscall.SIGHUP, echo, true},
		{"Ctrl-C twice", os.Interrupt, os.Interrupt, 100 * time.Millisecond, true},
		{"TERM after a warning", syscall.SIGUSR1, syscall.SIGTERM, 100 * time.Millisecond, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				came := make(chan os.Signal)
				s := &signals{drain: make(chan struct{}), ended: make(chan struct{})}
				go func() {
					defer close(s.ended)
					s.listen(t.Context(), came)
				}()
				came <- tt.first
				<-s.drain
				time.Sleep(tt.after)
				came <- tt.second
				synctest.Wait()
				select {
				case <-s.ended:
					if !tt.ends {
						t.Error("it ends at once")
					}
				default:
					if tt.ends {
						t.Error("it does not end")
					}
					came <- os.Interrupt // a third signal does
					<-s.ended
				}
			})
		})
	}
}

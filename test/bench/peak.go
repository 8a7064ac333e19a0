package main

import (
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// peakEvery is the time between two readings of a process's peak.
const peakEvery = 20 * time.Millisecond

// runWithPeak runs a command to its end and returns the largest resident set that it had, in bytes.
//
// What the kernel tells at a process's end is exact, but never less than what this program had when it started the other,
// since until its exec that one shares our memory. Where it may be ours, what was seen while it ran is taken instead, which
// misses the last moment's growth.
func runWithPeak(cmd *exec.Cmd) (peak int64, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(peakEvery)
		defer tick.Stop()
		for {
			peak = max(peak, peakOf(fmt.Sprint(cmd.Process.Pid)))
			select {
			case <-tick.C:
			case <-ended:
				return
			}
		}
	})
	err = cmd.Wait()
	close(ended)
	watching.Wait()
	if told := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10; told > peakOf("self") {
		peak = told
	}
	return peak, err
}

// peakOf is the largest resident set that a process had until now, in bytes; 0 where it is gone.
func peakOf(pid string) int64 { return memoryOf(after("/proc/"+pid+"/status", "VmHWM")) }

package gpu

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// ErrNoProbe means that this binary was built without the probe.
var ErrNoProbe = errors.New("this binary holds no NVML probe")

// StartError means that the probe could not run here at all. It says nothing about the driver.
type StartError struct{ Err error }

func (e *StartError) Error() string {
	return "start NVML probe: " + strings.ReplaceAll(e.Err.Error(), "\n", "; ") // errors.Join writes lines
}

// Unwrap returns the reason.
func (e *StartError) Unwrap() error { return e.Err }

// DriverError means that NVML is there and does not work.
type DriverError struct{ Reason string }

func (e *DriverError) Error() string { return "NVML does not work: " + e.Reason }

// TimeoutError means that the driver did not answer in time.
type TimeoutError struct {
	After time.Duration
	Stuck bool // the probe hangs in the kernel, cannot be ended and was left behind
}

func (e *TimeoutError) Error() string {
	text := fmt.Sprintf("the NVIDIA driver did not answer within %v", e.After.Round(time.Millisecond))
	if e.Stuck {
		text += ", and the probe hangs in it and cannot be ended"
	}
	return text
}

// Unwrap makes it a context.DeadlineExceeded.
func (e *TimeoutError) Unwrap() error { return context.DeadlineExceeded }

// CrashError means that NVML took the probe down with it.
type CrashError struct {
	Signal syscall.Signal // 0 where the probe ended with a code
	Code   int
	Stderr string // what it said first
}

func (e *CrashError) Error() string {
	text := fmt.Sprintf("NVML probe crashed: exit code %d", e.Code)
	if e.Signal != 0 {
		text = fmt.Sprintf("NVML probe crashed: signal %d (%v)", int(e.Signal), e.Signal)
	}
	if e.Stderr != "" {
		text += ": " + e.Stderr
	}
	return text
}

// OutputError means that the probe printed no report.
type OutputError struct {
	Err    error
	Output string // its beginning
}

func (e *OutputError) Error() string {
	return fmt.Sprintf("NVML probe printed no report: %v: %q", e.Err, e.Output)
}

// Unwrap returns the reason.
func (e *OutputError) Unwrap() error { return e.Err }

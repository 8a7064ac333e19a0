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
var ErrNoProbe = errors.New("this binary has no NVML probe")

// StartError means that the probe cannot run on this machine. It says nothing about the driver.
type StartError struct{ Err error }

func (e *StartError) Error() string {
	return "start NVML probe: " + strings.ReplaceAll(e.Err.Error(), "\n", "; ") // errors.Join separates by newlines
}

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// DriverError means that NVML exists and does not work.
type DriverError struct{ Reason string }

func (e *DriverError) Error() string { return "NVML does not work: " + e.Reason }

// TimeoutError means that the driver did not answer in time.
type TimeoutError struct {
	After time.Duration
	Stuck bool // the probe hangs in the kernel, could not be killed and still exists
}

func (e *TimeoutError) Error() string {
	text := fmt.Sprintf("the NVIDIA driver did not answer within %v", e.After.Round(time.Millisecond))
	if e.Stuck {
		text += ", and the probe hangs in the driver and cannot be killed"
	}
	return text
}

// Unwrap returns context.DeadlineExceeded.
func (e *TimeoutError) Unwrap() error { return context.DeadlineExceeded }

// CrashError means that the probe crashed inside NVML.
type CrashError struct {
	Signal syscall.Signal // 0 if the probe ended with an exit code
	Code   int
	Stderr string // first line of the standard error
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

// OutputError means that the probe printed no valid report.
type OutputError struct {
	Err    error
	Output string // beginning of the output
}

func (e *OutputError) Error() string {
	return fmt.Sprintf("NVML probe printed no valid report: %v: %q", e.Err, e.Output)
}

// Unwrap returns the cause.
func (e *OutputError) Unwrap() error { return e.Err }

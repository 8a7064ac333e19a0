package gpu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// probeTimeout is generous because it ends a run: without persistence mode the driver starts each GPU of the
	// node when it is first asked, one to three seconds each.
	probeTimeout = 30 * time.Second
	// maxReport bounds what is read of the probe. Eight GPUs cut into seven instances each make 50 kB.
	maxReport = 1 << 20
)

// Probe runs the program that asks NVML. The zero value runs the one in this binary.
type Probe struct {
	Path    string        // the program; empty: the one in this binary
	Timeout time.Duration // for a Report; 0: half a minute
	Env     []string      // the program's environment; nil: ours
}

// Report asks NVML. The error is ErrNoProbe, a *StartError, *DriverError, *TimeoutError, *CrashError or *OutputError,
// or it wraps ErrNoDriver or says that ctx was cancelled.
func (p Probe) Report(ctx context.Context) (Report, error) {
	timeout := p.Timeout
	if timeout == 0 {
		timeout = probeTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out := head{limit: maxReport, fatal: true}
	begun := time.Now()
	err := p.run(ctx, &out)
	var stuck *stuckError
	switch {
	case errors.As(err, &stuck): // and may still write into out
		if errors.Is(stuck.err, context.DeadlineExceeded) {
			return Report{}, &TimeoutError{After: time.Since(begun), Stuck: true}
		}
		return Report{}, err
	case errors.Is(err, context.DeadlineExceeded):
		return Report{}, &TimeoutError{After: time.Since(begun)}
	case out.over:
		return Report{}, outputError(errTooLong, out.text)
	case err != nil:
		return Report{}, err
	}
	return parseReport(out.text)
}

// parseReport reads one report and nothing else.
func parseReport(text []byte) (Report, error) {
	var report Report
	lines := json.NewDecoder(bytes.NewReader(text))
	if err := lines.Decode(&report); err != nil {
		return Report{}, outputError(err, text)
	}
	if _, err := lines.Token(); !errors.Is(err, io.EOF) {
		return Report{}, outputError(errors.New("more than one value"), text)
	}
	if report.Source != SourceNVML {
		return Report{}, outputError(fmt.Errorf("its source is %q", report.Source), text)
	}
	return report, nil
}

func outputError(err error, text []byte) error {
	return &OutputError{Err: err, Output: string(text[:min(len(text), 200)])}
}

var errTooLong = errors.New("it is too long")

// head is a writer that keeps the beginning of what it is given. What comes after the limit is an error if fatal is set
// and goes nowhere otherwise.
type head struct {
	limit int
	fatal bool
	text  []byte
	over  bool
}

func (h *head) Write(p []byte) (int, error) {
	room := min(len(p), h.limit-len(h.text))
	h.text = append(h.text, p[:room]...)
	if room < len(p) {
		h.over = true
		if h.fatal {
			return room, errTooLong
		}
	}
	return len(p), nil
}

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
	// probeTimeout is generous because exceeding it ends a run: without persistence mode the driver initialises each
	// GPU of the node at the first query, which takes one to three seconds per GPU.
	probeTimeout = 30 * time.Second
	// maxReport limits the probe's output in bytes. Eight GPUs with seven instances each give 50 kB.
	maxReport = 1 << 20
)

// Probe runs the program that queries NVML. The zero value runs the embedded program.
type Probe struct {
	Path    string        // path of the program; empty means the embedded one
	Timeout time.Duration // time limit of Report; 0 means 30 seconds
	Env     []string      // environment of the program; nil means this process's
}

// Report queries NVML. The error is ErrNoProbe, *StartError, *DriverError, *TimeoutError, *CrashError or *OutputError,
// or it wraps ErrNoDriver, or it is the error of ctx.
func (p Probe) Report(ctx context.Context) (Report, error) {
	timeout := p.Timeout
	if timeout == 0 {
		timeout = probeTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out := prefixWriter{limit: maxReport, fatal: true}
	begun := time.Now()
	err := p.run(ctx, &out)
	var stuck *stuckError
	switch {
	case errors.As(err, &stuck): // the child may still write to out
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

// parseReport parses output that holds exactly one report.
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
		return Report{}, outputError(fmt.Errorf("the source is %q", report.Source), text)
	}
	return report, nil
}

func outputError(err error, text []byte) error {
	return &OutputError{Err: err, Output: string(text[:min(len(text), 200)])}
}

var errTooLong = errors.New("the output is too long")

// prefixWriter keeps the first limit bytes. Further bytes cause an error if fatal is set; otherwise they are discarded.
type prefixWriter struct {
	limit int
	fatal bool
	text  []byte
	over  bool
}

func (w *prefixWriter) Write(p []byte) (int, error) {
	space := min(len(p), w.limit-len(w.text))
	w.text = append(w.text, p[:space]...)
	if space < len(p) {
		w.over = true
		if w.fatal {
			return space, errTooLong
		}
	}
	return len(p), nil
}

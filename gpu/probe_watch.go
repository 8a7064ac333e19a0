package gpu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
)

// Watch calls report for every critical error of this node's GPUs, including those of other jobs, until ctx ends; then
// it returns nil. Otherwise it returns an error like those of Probe.Report: the driver reports no events, or it lost a
// GPU, which Report identifies. Calls of report do not overlap, and none happens after Watch has returned.
func (p Probe) Watch(ctx context.Context, report func(XID)) error {
	out := &xidWriter{report: report}
	err := p.run(ctx, out, ProbeWatch)
	out.close()
	if ctx.Err() != nil {
		return nil
	}
	if out.bad != nil {
		return out.bad
	}
	if err == nil {
		err = &DriverError{Reason: "the probe stopped watching"}
	}
	return err
}

// maxXIDLine limits a line of the probe in bytes.
const maxXIDLine = 4096

// xidWriter calls report for each line that is written to it.
type xidWriter struct {
	mu      sync.Mutex
	report  func(XID)
	rest    []byte
	bad     error
	stopped bool
}

// Write accepts the output of the probe. An error ends the probe, because the probe cannot write any more.
func (w *xidWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return 0, errors.New("the watch has ended")
	}
	w.rest = append(w.rest, p...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		if !whole {
			break
		}
		var xid XID
		if err := json.Unmarshal(line, &xid); err != nil {
			w.bad = outputError(err, line)
			return 0, w.bad
		}
		w.report(xid)
		w.rest = rest
	}
	if len(w.rest) > maxXIDLine {
		w.bad = outputError(errTooLong, w.rest)
		return 0, w.bad
	}
	return len(p), nil
}

func (w *xidWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
}

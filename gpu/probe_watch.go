package gpu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
)

// Watch hands over every critical error of this node's GPUs, those of other jobs' included, until ctx ends, which is no
// error. Otherwise it ends with an error of the kinds that Report has: the driver reports no events, or it lost a GPU
// and Report tells which. The callback is never called twice at a time, and not after Watch has returned.
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

// maxXIDLine bounds a line of the probe.
const maxXIDLine = 4096

// xidWriter turns lines into calls.
type xidWriter struct {
	mu      sync.Mutex
	report  func(XID)
	rest    []byte
	bad     error
	stopped bool
}

// Write takes what the probe prints. An error ends the probe, which cannot write any more.
func (w *xidWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return 0, errors.New("nobody watches any more")
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

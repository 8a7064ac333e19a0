package result

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"fluxworker/worker/lease"
)

// ErrHeld means that another process writes to the same output.
var ErrHeld = errors.New("the output is held by another run")

// errReplaced means that the file in use was removed or replaced, so that its lines are lost.
var errReplaced = errors.New("the file was removed or replaced during the run; the lines written since then are lost, run the same command again to repeat their rows")

// errResized means that another program wrote to the file in use, or cut it.
var errResized = errors.New("another program changed the size of the file during the run; run the same command again to repair the file and to ask the rows without a line")

// HeldError is ErrHeld with details. It wraps ErrHeld.
type HeldError struct {
	Path   string // path of the results file
	Holder lease.Holder
	Reason string // why the lock was not acquired, or was lost
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%v: %s: %s (%s); wait for that run or choose another --output", ErrHeld, e.Path, e.Holder, e.Reason)
}

func (e *HeldError) Unwrap() error { return ErrHeld }

// WriteError means that the output cannot be written. Earlier lines stay; no further lines are accepted.
type WriteError struct {
	Path string
	Err  error
}

func (e *WriteError) Error() string {
	switch {
	case errors.Is(e.Err, syscall.ENOSPC):
		return fmt.Sprintf("write %s: the disk is full; free some space and run the same command again to continue", e.Path)
	case errors.Is(e.Err, syscall.EDQUOT):
		return fmt.Sprintf("write %s: your quota is exhausted; free some space and run the same command again to continue", e.Path)
	case errors.Is(e.Err, fs.ErrPermission), errors.Is(e.Err, syscall.EROFS):
		return fmt.Sprintf("write %s: %v; choose an --output in a writable folder", e.Path, cause(e.Err))
	}
	return fmt.Sprintf("write %s: %v", e.Path, cause(e.Err))
}

func (e *WriteError) Unwrap() error { return e.Err }

// cause removes os's operation and path from an error, because WriteError adds its own.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

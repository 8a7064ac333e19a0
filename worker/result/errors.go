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

// errReplaced is a file that lines were written to, and that nobody will find any more.
var errReplaced = errors.New("somebody removed or replaced the file while it was written to; the lines since then are lost, and the same command asks them again")

// HeldError is ErrHeld with the name of who it is.
type HeldError struct {
	Path   string // the results
	Holder lease.Holder
	Reason string // why the lock is not, or no longer, ours
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%v: %s: %s (%s); wait for that run or choose another --output", ErrHeld, e.Path, e.Holder, e.Reason)
}

func (e *HeldError) Unwrap() error { return ErrHeld }

// WriteError means that the output cannot be written: what was written before stays, and nothing more is taken.
type WriteError struct {
	Path string
	Err  error
}

func (e *WriteError) Error() string {
	switch {
	case errors.Is(e.Err, syscall.ENOSPC):
		return fmt.Sprintf("write %s: the disk is full; free some space and run the same command again to go on", e.Path)
	case errors.Is(e.Err, syscall.EDQUOT):
		return fmt.Sprintf("write %s: your quota is used up; free some space and run the same command again to go on", e.Path)
	case errors.Is(e.Err, fs.ErrPermission), errors.Is(e.Err, syscall.EROFS):
		return fmt.Sprintf("write %s: %v; choose an --output in a folder that you may write to", e.Path, cause(e.Err))
	}
	return fmt.Sprintf("write %s: %v", e.Path, cause(e.Err))
}

func (e *WriteError) Unwrap() error { return e.Err }

// cause drops the operation and path that os already put in front: WriteError says them.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

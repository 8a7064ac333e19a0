package lease

import (
	"errors"
	"fmt"
	"io/fs"
)

// HeldError means that the lease is another's.
type HeldError struct {
	Dir    string
	Holder Holder
	Reason string // why the lock is not, or no longer, ours
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is held by %s (%s)", e.Dir, e.Holder, e.Reason)
}

// FileError means that a lock cannot be read or written.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("lock %s: %v", e.Path, cause(e.Err)) }
func (e *FileError) Unwrap() error { return e.Err }

// cause drops the operation and path that os already put in front: FileError says them.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

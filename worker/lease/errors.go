package lease

import (
	"errors"
	"fmt"
	"io/fs"
)

// HeldError means that another process holds the lease.
type HeldError struct {
	Dir    string
	Holder Holder
	Reason string // why the lock was not acquired, or was lost
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is held by %s (%s)", e.Dir, e.Holder, e.Reason)
}

// FileError means that a lock file cannot be read or written.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("lock %s: %v", e.Path, cause(e.Err)) }
func (e *FileError) Unwrap() error { return e.Err }

// cause removes os's operation and path from an error, because FileError adds its own.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

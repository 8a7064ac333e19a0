package result

import (
	"context"
	"errors"
	"fmt"

	"fluxworker/worker/lease"
)

// lockPrefix is the prefix of lock files in the run folder.
const lockPrefix = "lock."

// hold is this process's lease on an output. It converts the errors of the lease to HeldError and WriteError.
type hold struct {
	paths Paths
	lease *lease.Lease
}

func acquire(ctx context.Context, o Options) (hold, error) {
	l, err := lease.Acquire(ctx, lease.Options{
		Dir: o.Paths.Run, Prefix: lockPrefix, Mode: o.Paths.mode(), Self: o.Self, Stale: o.Stale, OnWait: o.OnWait,
	})
	return hold{o.Paths, l}, o.Paths.leaseError(err)
}

// check returns an error if this process does not hold the output any more.
func (h hold) check() error { return h.paths.leaseError(h.lease.Check()) }

// release releases the output.
func (h hold) release() { h.lease.Release() }

func (p Paths) leaseError(err error) error {
	var held *lease.HeldError
	var file *lease.FileError
	switch {
	case errors.As(err, &held):
		return &HeldError{Path: p.Results, Holder: held.Holder, Reason: held.Reason}
	case errors.As(err, &file):
		return &WriteError{Path: file.Path, Err: file.Err}
	}
	return err
}

// Lock returns the newest lock without acquiring it; nil if no run has ever used this output.
func (p Paths) Lock() (*lease.Lock, error) {
	l, err := lease.Inspect(p.Run, lockPrefix)
	var file *lease.FileError
	if errors.As(err, &file) {
		return nil, fmt.Errorf("read the lock of %s: %w", p.Results, cause(file.Err))
	}
	return l, err
}

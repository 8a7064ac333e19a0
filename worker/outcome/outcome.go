// Package outcome holds the errors that end a run and that its exit code tells apart: a setting that cannot work, an input
// that cannot be read, and an end before the last row.
package outcome

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// ConfigError is a setting that cannot work; nothing was started.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// InputError is an input that cannot be read, or not as it is now. A bad row is an error line, and no InputError.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

// EmptyInput returns the InputError of an input without rows.
func EmptyInput(path string) error {
	return &InputError{Err: fmt.Errorf("read %s: it holds no rows (%s)", path, prompt.CodeEmptyFile)}
}

// ErrStopped means that a run ended early with rows left over. The same command goes on with them. The error is a
// StoppedError.
var ErrStopped = errors.New("stopped before the end of the input")

// StoppedError says why a run ended early.
type StoppedError struct {
	Deadline bool   // the job's time comes to its end; otherwise it was a signal
	Reason   string // for people
}

func (e *StoppedError) Error() string {
	return fmt.Sprintf("stopped by %s before the end of the input; run the same command again to go on", e.Reason)
}

// Is makes a StoppedError an ErrStopped.
func (e *StoppedError) Is(target error) bool { return target == ErrStopped }

// BySignal returns the StoppedError of a signal.
func BySignal() *StoppedError { return &StoppedError{Reason: "a signal"} }

// Stopped returns the StoppedError by which the context of the intake has ended: the cause of the context, else a signal.
func Stopped(intake context.Context) *StoppedError {
	if reason, ok := errors.AsType[*StoppedError](context.Cause(intake)); ok {
		return reason
	}
	return BySignal()
}

// OfParts returns the error of an output whose parts were not found: by its name, or by what is there.
func OfParts(err error) error {
	if errors.Is(err, result.ErrNoOutput) || errors.Is(err, fs.ErrPermission) {
		return &InputError{Err: err}
	}
	return &ConfigError{Err: err}
}

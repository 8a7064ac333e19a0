// Package outcome holds the errors that end a run with an exit code of their own: a setting that cannot work, an input that
// cannot be read, and an end before the last row.
package outcome

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// ConfigError means that a setting cannot work. As a rule the run finds it before it starts a server.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// InputError means that the input cannot be read, or does not go with the output. A bad row gets an error line instead.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

// EmptyInput returns the InputError of an input without rows.
func EmptyInput(path string) error {
	return &InputError{Err: fmt.Errorf("read %s: it holds no rows (%s)", path, prompt.CodeEmptyFile)}
}

// ErrStopped means that a run ended before the last row. The same command goes on with the other rows. The error is a
// StoppedError.
var ErrStopped = errors.New("stopped before the end of the input")

// StoppedError says why a run ended early.
type StoppedError struct {
	Deadline bool   // the job's deadline ended the run; otherwise a signal
	Reason   string // for messages
}

func (e *StoppedError) Error() string {
	return fmt.Sprintf("stopped by %s before the end of the input; run the same command again to go on", e.Reason)
}

// Is makes a StoppedError an ErrStopped.
func (e *StoppedError) Is(target error) bool { return target == ErrStopped }

// BySignal returns the StoppedError of a signal.
func BySignal() *StoppedError { return &StoppedError{Reason: "a signal"} }

// Stopped returns the StoppedError that is the cause of the end of intake; for any other cause that of a signal.
func Stopped(intake context.Context) *StoppedError {
	if reason, ok := errors.AsType[*StoppedError](context.Cause(intake)); ok {
		return reason
	}
	return BySignal()
}

// OfParts classifies an error of result.Parts: an InputError where the output is missing or unreadable, otherwise a
// ConfigError, for its name.
func OfParts(err error) error {
	_, unreadable := errors.AsType[*result.RecordError](err)
	if unreadable || errors.Is(err, result.ErrNoOutput) || errors.Is(err, fs.ErrPermission) {
		return &InputError{Err: err}
	}
	return &ConfigError{Err: err}
}

package worker

import (
	"fmt"

	"fluxworker/worker/prompt"
)

// ConfigError is a setting that cannot work; nothing was started.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// InputError is an input that cannot be read, or not as it is now. A bad row is none.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

func emptyInput(input string) error {
	return &InputError{Err: fmt.Errorf("read %s: it holds no rows (%s)", input, prompt.CodeEmptyFile)}
}

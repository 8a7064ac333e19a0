package ollama

import "errors"

// WithoutLog returns the error without the end of the server's log: the last message of a run has it.
func WithoutLog(err error) error {
	if server, ok := errors.AsType[*ServerError](err); ok {
		return server.Err
	}
	return err
}

package ollama

import "errors"

// WithoutLog returns the error without the last lines of the server's log: the final message of the run has them.
func WithoutLog(err error) error {
	if server, ok := errors.AsType[*ServerError](err); ok {
		return server.Err
	}
	return err
}

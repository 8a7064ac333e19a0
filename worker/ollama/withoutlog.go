package ollama

import (
	"errors"
	"fmt"
)

// WithoutLog returns the error without the last lines of the server's log: the final message of the run has them.
func WithoutLog(err error) error {
	if server, ok := errors.AsType[*ServerError](err); ok {
		return server.Err
	}
	return err
}

// WithLastLine returns the error with the last line of the server's log, for a failure whose log nobody keeps.
func WithLastLine(err error) error {
	server, ok := errors.AsType[*ServerError](err)
	if !ok || len(server.LogTail) == 0 {
		return WithoutLog(err)
	}
	return fmt.Errorf("%w; the last line of its log: %s", server.Err, server.LogTail[len(server.LogTail)-1])
}

package ollama

import (
	"errors"
	"fmt"
	"strings"
)

// ErrModelMissing means that the server does not have the model and was not allowed to fetch it.
var ErrModelMissing = errors.New("model missing")

// ErrNotInRegistry means that the place where the server fetches models from does not have this one.
var ErrNotInRegistry = errors.New("the registry does not have it")

// ErrModelsFull means that the folder of the models, or its owner's quota, has no room for what was to be fetched.
var ErrModelsFull = errors.New("no room for the model")

// ErrNoGPU means that the server runs on the CPU although nobody asked for that.
var ErrNoGPU = errors.New("no usable GPU")

// ErrNotFound means that the server's program is not there to be started.
var ErrNotFound = errors.New("server program not found")

// ErrTimeout is a request that got no answer in the time that it had.
var ErrTimeout = errors.New("no answer within the request timeout")

// ServerError is a server that did not start, did not become ready or ended. The rows that it had are not to blame.
type ServerError struct {
	Op      string   // what was going on, as in "start server"
	Err     error    // why
	LogPath string   // the server's whole log; empty where it wrote none
	LogTail []string // its last lines
}

func (e *ServerError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Op, e.Err)
	if len(e.LogTail) > 0 {
		fmt.Fprintf(&b, "; the end of its log (all of it: %s):", e.LogPath)
		for _, line := range e.LogTail {
			b.WriteString("\n    " + line)
		}
	}
	return b.String()
}

func (e *ServerError) Unwrap() error { return e.Err }

// RequestError is a request that the server refused or could not answer whole because of what is in it. Asking again
// gives the same.
type RequestError struct {
	Status  int // HTTP status, 4xx
	Code    string
	Message string
	// With CodeContextLength: the tokens of the prompt, 0 where the server does not say, and those that the answer had when
	// the context was full, 0 where the prompt alone was too long.
	PromptTokens, CompletionTokens int
}

func (e *RequestError) Error() string { return e.Message }

// AnswerError is an answer that the server itself could not read, and so did not give: a call that was cut off, say. With
// another seed there may be a better one.
type AnswerError struct {
	Message string // the server's
}

func (e *AnswerError) Error() string { return "the server could not read it: " + e.Message }

// The codes of a RequestError.
const (
	CodeContextLength  = "context_length_exceeded"
	CodeInvalidRequest = "invalid_request"
)

// UnavailableError is a request that failed for reasons that are the server's: asking again may help.
type UnavailableError struct {
	Status int // HTTP status, or 0 where no answer came
	Err    error
}

func (e *UnavailableError) Error() string {
	if e.Status == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("server answered %d: %v", e.Status, e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

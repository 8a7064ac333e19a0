package ollama

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrModelMissing means that the server does not have the model and was not allowed to pull it.
var ErrModelMissing = errors.New("model missing")

// ErrNotInRegistry means that the registry does not have the model.
var ErrNotInRegistry = errors.New("the registry does not have it")

// ErrModelsFull means that the disk or the quota of the model folder is full.
var ErrModelsFull = errors.New("no room for the model")

// ErrNoGPU means that the server computes on the CPU although --device cpu is not set.
var ErrNoGPU = errors.New("no usable GPU")

// ErrSettings means that the server has other settings than those of Start.
var ErrSettings = errors.New("the server does not run with the settings of this run")

// ErrNotFound means that the server's program does not exist.
var ErrNotFound = errors.New("server program not found")

// ErrTimeout means that a request got no answer within its time limit.
var ErrTimeout = errors.New("no answer within the request timeout")

// ServerError is the failure of a server to start, to become ready or to keep running. It is not the fault of a row.
type ServerError struct {
	Op      string   // the failed operation, for example "start server"
	Err     error    // the cause
	LogPath string   // path of the server's log; empty if there is no log
	LogTail []string // the last lines of the log
}

func (e *ServerError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Op, e.Err)
	if len(e.LogTail) > 0 {
		fmt.Fprintf(&b, "; last lines of the server log %s:", e.LogPath)
		for _, line := range e.LogTail {
			b.WriteString("\n    " + line)
		}
	}
	return b.String()
}

func (e *ServerError) Unwrap() error { return e.Err }

// RequestError is a request that the server rejected or could not answer completely because of the request's content. A
// retry gives the same result.
type RequestError struct {
	Status  int // HTTP status, 4xx or 501
	Code    string
	Message string
	// PromptTokens and CompletionTokens are set with CodeContextLength. PromptTokens is 0 if the server does not report
	// it. CompletionTokens is the length of the answer when the context was full, and 0 if the prompt alone was too
	// long.
	PromptTokens, CompletionTokens int
	// Raw is the JSON body of the error as a server of OpenAI's API sent it; nil where Body makes one.
	Raw json.RawMessage
}

func (e *RequestError) Error() string { return e.Message }

// AnswerError is an answer of the model that the server could not parse and therefore did not return, for example an
// incomplete tool call. A retry with another seed may succeed.
type AnswerError struct {
	Message string // the server's message
}

func (e *AnswerError) Error() string { return "the server could not parse the answer: " + e.Message }

// Values of RequestError.Code.
const (
	CodeContextLength  = "context_length_exceeded"
	CodeInvalidRequest = "invalid_request"
	CodeAnswerTooLarge = "answer_too_large"
)

// UnavailableError is a request that failed because of the server. A retry may succeed.
type UnavailableError struct {
	Status int // HTTP status; 0 if no response came
	Err    error
	// RetryAfter is how long a server that is busy asks to wait; 0 for another failure. The row is not to blame, and the wait is no try.
	RetryAfter time.Duration
}

func (e *UnavailableError) Error() string {
	if e.Status == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("server answered %d: %v", e.Status, e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// schemaAtFault reports whether a message in lower case says that the server cannot turn a schema into a grammar. No
// other request is concerned, and the server goes on.
func schemaAtFault(message string) bool {
	for _, text := range []string{
		"invalid json schema in format",                            // Ollama before its runners
		"failed to load model vocabulary required for format",      // Ollama's own engine; its only cause is the grammar
		"failed to parse grammar", "json schema conversion failed", // llama-server
		"failed to initialize samplers",
	} {
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}

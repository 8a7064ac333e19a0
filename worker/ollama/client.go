package ollama

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ollama/ollama/api"

	"fluxworker/worker/prompt"
)

// Client sends requests to one server. It is safe for concurrent use.
type Client struct {
	*Transport
	runner Runner
	vision visionCapability
}

// Runner holds the options with which a server loads a model. They must be the same in every request: the server
// reloads the model when they change.
type Runner struct {
	Context int // tokens per slot, at least 1
	// AtMaxContext is true if Context is the longest context of the model.
	AtMaxContext bool
	Threads      int // number of CPU threads that compute; 0 leaves the number to the server and the model
	Ubatch       int // number of prompt tokens that are processed at once; 0 leaves the number to the server and the model
	// GPULayers is the number of layers on the GPUs, AllLayers for all; 0 leaves the number to the server and the model.
	// With a number, a load that the GPUs do not hold fails; without, the server moves layers to the CPU and says nothing.
	GPULayers int
	// Embeds is true for a model that only makes embeddings. Such a model is loaded and verified with an embedding
	// request.
	Embeds bool
	// NoEmbeddings is true if the model makes no embeddings. Without this flag the new generation of Ollama reloads the
	// model for each row that asks for embeddings, and then rejects the row.
	NoEmbeddings bool
}

// options returns the runner's part of a request's options.
func (r Runner) options() map[string]any {
	o := map[string]any{"num_ctx": r.Context}
	if r.Threads > 0 {
		o["num_thread"] = r.Threads
	}
	if r.Ubatch > 0 {
		o["num_batch"] = r.Ubatch
	}
	if r.GPULayers > 0 {
		o["num_gpu"] = r.GPULayers
	}
	return o
}

// AllLayers is a Runner.GPULayers that is more than any model has. Both generations take it for all layers (v0.24.0
// llm/server.go, assignLayers; llama-server's -ngl).
const AllLayers = 999

// NewClient returns a client for the server at base; see NewTransport.
func NewClient(base string, connections int, runner Runner) (*Client, error) {
	t, err := NewTransport(base, nil, connections, "")
	if err != nil {
		return nil, errors.New("--ollama-url is not the address of a server; give one like http://127.0.0.1:11434")
	}
	return &Client{Transport: t, runner: runner}, nil
}

// NewClientVia returns a client for a server that only dial can reach, such as our own isolated server. The address is
// the one on which the server itself listens. The server must be listening already.
func NewClientVia(address string, dial Dialer, connections int, runner Runner) *Client {
	c := newClient(&url.URL{Scheme: "http", Host: address}, dial, connections, runner, credentials{})
	c.direct = newConnections(dial, c.base, credentials{})
	return c
}

func newClient(base *url.URL, dial Dialer, connections int, runner Runner, secrets credentials) *Client {
	return &Client{Transport: newTransport(base, dial, connections, secrets), runner: runner}
}

// control returns the client for all requests except rows: api.Client allocates 8 MB for each response that it reads as
// a stream.
func (c *Client) control() *api.Client { return api.NewClient(c.base, c.others) }

// buffers holds the request and response bytes of one request.
type buffers struct{ request, answer []byte }

var spare = sync.Pool{New: func() any { return new(buffers) }}

// keptRequest is the largest size in bytes of a request's buffer that is kept for reuse.
const keptRequest = 1 << 20

// release keeps the buffers for another request, unless they are too large. The budget does not count a kept buffer.
func (b *buffers) release() {
	if cap(b.request) <= keptRequest && cap(b.answer) <= freeBytes {
		spare.Put(b)
	}
}

// Ask is like AskWithin without a time limit, for an answer of at most a few MiB.
func (c *Client) Ask(ctx context.Context, r prompt.Request) (*Answer, error) {
	room := NewBudget(MinBudget).NewRoom(0)
	defer room.Release()
	return c.AskWithin(ctx, 0, r, room)
}

// AskWithin returns one answer, also for a row that asks for several. The answer takes the room of its row. It returns a
// *RequestError if the request is at fault or the answer is larger than its room, an *AnswerError if the model's answer
// is at fault, an *UnavailableError if the server is, ErrModelMissing, ErrNoRoom, or the context's error. After limit it
// returns an *UnavailableError with ErrTimeout; 0 means no limit. The limit costs less than a new context for each row.
func (c *Client) AskWithin(ctx context.Context, limit time.Duration, r prompt.Request, room *Room) (*Answer, error) {
	var deadline time.Time // limit only; the context has its own deadline and cause
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	if err := c.checkVision(ctx, deadline, r); err != nil {
		return nil, err
	}
	if r.Endpoint == prompt.Embeddings && c.runner.NoEmbeddings {
		return nil, &RequestError{Status: http.StatusBadRequest, Code: CodeInvalidRequest,
			Message: fmt.Sprintf("the row asks for embeddings, which model %s does not make; choose one that does, and another --output", r.Model)}
	}
	b := spare.Get().(*buffers)
	defer b.release()
	path, native := c.render(&r)
	var err error
	if b.request, err = appendRequest(b.request[:0], native); err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	before := room.bytes
	got, err := c.postUntil(ctx, deadline, path, b.request, b.answer[:0], room)
	b.answer = got.Body
	if err != nil {
		return nil, err
	}
	a, err := c.interpret(ctx, got.Status, got.Body, &r)
	if err != nil {
		room.shrink(before)
	}
	return a, err
}

// interpret converts the server's response to an answer, or to the error that explains why there is no answer.
func (c *Client) interpret(ctx context.Context, status int, data []byte, r *prompt.Request) (*Answer, error) {
	if status != http.StatusOK {
		return nil, c.httpError(ctx, status, data)
	}
	if r.Endpoint == prompt.Embeddings {
		return c.vectors(ctx, status, data, r.Embedding)
	}
	native, err := decodeAnswer(data)
	if err != nil {
		return nil, unavailable(ctx, status, fmt.Errorf("the answer is not JSON: %w", err))
	}
	// HTTP 200 does not prove that the answer is complete: done is false if the server aborted the generation, and
	// done_reason is empty if the server's runner aborted it.
	if !native.Done || native.DoneReason != "stop" && native.DoneReason != "length" {
		return nil, unavailable(ctx, status, fmt.Errorf("the answer is incomplete (done %t, done_reason %q)", native.Done, native.DoneReason))
	}
	return c.answer(native, r)
}

// unavailable returns context.Canceled for a cancelled request and an *UnavailableError otherwise.
func unavailable(ctx context.Context, status int, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) { // for any cause: a signal, or a lost server
		return context.Canceled
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrTimeout
	}
	return &UnavailableError{Status: status, Err: err}
}

// httpError converts an HTTP error to the error type that names the party at fault: row, answer or server.
func (c *Client) httpError(ctx context.Context, status int, body []byte) error {
	message := errorText(body)
	switch {
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: the server does not know it any more: %s", ErrModelMissing, message)
	case status == http.StatusInternalServerError && unreadable(message), status == http.StatusNotImplemented:
		return &RequestError{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Message: message}
	case status == http.StatusInternalServerError && invalidToolCalls(message):
		return &AnswerError{Message: message}
	case status < 400, status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout,
		status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		// A rejected login is not the row's fault.
		return unavailable(ctx, status, errors.New(message))
	case tooLong(message):
		return &RequestError{
			Status: status, Code: CodeContextLength, Message: fmt.Sprintf("%s; the context length is %d: %s", message, c.runner.Context, c.runner.contextHint()),
			PromptTokens: countedTokens(message),
		}
	default:
		return &RequestError{Status: status, Code: CodeInvalidRequest, Message: message + unsupportedHint(message)}
	}
}

// unsupportedHint returns advice for the message "... does not support ..." of a server, and "" for any other message.
// The server sends no error code for it.
func unsupportedHint(message string) string {
	_, what, _ := strings.Cut(message, " does not support ")
	switch what {
	case "thinking":
		return "; remove reasoning_effort, or choose a model that thinks, and another --output"
	case "tools":
		return "; remove tools, or choose a model whose template knows them, and another --output"
	case "insert":
		return "; remove suffix, or choose a model that fills in the middle, and another --output"
	case "chat", "generate":
		return "; it makes embeddings only (/v1/embeddings), choose a model that writes, and another --output"
	}
	return ""
}

func errorText(body []byte) string {
	if len(body) == 0 {
		return "it gave no reason"
	}
	var e struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil || e.Error == "" {
		return fmt.Sprintf("%.200q", body)
	}
	// The new generation forwards llama-server's own error object as a string.
	var inner struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(e.Error), &inner) == nil && inner.Error.Message != "" {
		return inner.Error.Message
	}
	return e.Error
}

// contextHint returns advice for a context that is too short. The context is not part of a row's request, so it may
// change within one output.
func (r Runner) contextHint() string {
	if r.AtMaxContext {
		return "that is all that the model has, shorten the row"
	}
	return "run again with --retry-failed and --context auto or a larger one, or shorten the row"
}

// invalidToolCalls reports whether the message says that the model's answer has no tool calls or malformed ones. The
// first text is of the new generation of Ollama, the second of llama-server.
func invalidToolCalls(message string) bool {
	return strings.Contains(message, "returned invalid tool call arguments") ||
		strings.Contains(message, "produced output that does not match the expected")
}

// tooLong reports whether the message rejects a prompt that is too long. The two texts are of the two generations;
// neither sends an error code.
func tooLong(message string) bool {
	return strings.Contains(message, "exceeds the available context size") ||
		strings.Contains(message, "input length exceeds the context length")
}

package ollama

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ollama/ollama/api"

	"fluxworker/worker/prompt"
)

// maxAnswer bounds what one answer may make us hold.
const maxAnswer = 256 << 20 // bytes

// Client asks one server for answers. It may be used from many goroutines.
type Client struct {
	base   *url.URL
	http   *http.Client
	direct *connections // nil where net/http has to ask: by TLS, or with a login
	runner Runner
	sight  sight
}

// Runner is what a server needs to know to load a model. It is the same in every request: with another one the server would
// load the model anew.
type Runner struct {
	Context int // tokens in each slot, at least 1
	// Longest is set where Context is all that the model has.
	Longest bool
	Threads int // that compute on the CPU; 0 leaves it to the server and the model
	// Embeds is set for a model that does nothing but embed: it is loaded, and proved to answer, by embeddings.
	Embeds bool
	// NoEmbeddings is set where the model makes none: the new generation would load it anew for each row that asks for them,
	// only to refuse it then.
	NoEmbeddings bool
}

// options are the runner's part of a request's options.
func (r Runner) options() map[string]any {
	o := map[string]any{"num_ctx": r.Context}
	if r.Threads > 0 {
		o["num_thread"] = r.Threads
	}
	return o
}

// Dialer connects to an address, once for each connection.
type Dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// NewClient makes a client for the server at base ("http://127.0.0.1:4711"). Connections is how many requests will be
// in flight; each keeps its connection. A user and password in base log in, and are in no error.
func NewClient(base string, connections int, runner Runner) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("--ollama-url is no address of a server; want something like http://127.0.0.1:11434") // and may hold a password
	}
	c := newClient(u, (&net.Dialer{}).DialContext, connections, runner)
	if u.Scheme == "http" && u.User == nil {
		c.direct = newConnections((&net.Dialer{}).DialContext, u)
	}
	if u.User != nil {
		// Out of the address, which errors and logs name.
		password, _ := u.User.Password()
		c.http.Transport = &login{host: u.Host, user: u.User.Username(), password: password, next: c.http.Transport}
		u.User = nil
	}
	return c, nil
}

// NewClientVia makes a client for a server that only dial reaches, such as an isolated one of our own; the address is how the
// server knows itself. It must be listening.
func NewClientVia(address string, dial Dialer, connections int, runner Runner) *Client {
	c := newClient(&url.URL{Scheme: "http", Host: address}, dial, connections, runner)
	c.direct = newConnections(dial, c.base)
	return c
}

func newClient(base *url.URL, dial Dialer, connections int, runner Runner) *Client {
	transport := &http.Transport{
		DialContext:         dial,
		Proxy:               nil, // a proxy of the job's environment is not for loopback
		MaxIdleConns:        connections,
		MaxIdleConnsPerHost: connections,
		DisableCompression:  true,
	}
	return &Client{base: base, http: &http.Client{Transport: transport}, runner: runner}
}

// Close lets go of the idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	if c.direct != nil {
		c.direct.close()
	}
}

// control is the client for everything but answers: api.Client allocates 8 MB for each request it reads a stream of.
func (c *Client) control() *api.Client { return api.NewClient(c.base, c.http) }

// buffers hold what is sent and what is received, for the time of one request.
type buffers struct{ request, answer []byte }

var spare = sync.Pool{New: func() any { return new(buffers) }}

// keptBuffer is how large a buffer may be and still be kept for the next request.
const keptBuffer = 1 << 20

// giveBack keeps the buffers for another request.
func (b *buffers) giveBack() {
	if cap(b.request)+cap(b.answer) <= keptBuffer {
		spare.Put(b)
	}
}

// Ask gets one answer, also of a row that wants several. Errors: RequestError where the request is to blame, AnswerError
// where the answer is, UnavailableError where the server is, ErrModelMissing, or the context's.
func (c *Client) Ask(ctx context.Context, r prompt.Request) (*Answer, error) {
	return c.AskWithin(ctx, 0, r)
}

// AskWithin is Ask with a limit of its own, after which the server counts as unavailable (ErrTimeout); 0 is no limit. It
// costs less than a context made for each row.
func (c *Client) AskWithin(ctx context.Context, limit time.Duration, r prompt.Request) (*Answer, error) {
	var deadline time.Time // the context's own ends the request by the context, and with its cause
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	if err := c.checkSight(ctx, deadline, r); err != nil {
		return nil, err
	}
	if r.Endpoint == prompt.Embeddings && c.runner.NoEmbeddings {
		return nil, &RequestError{Status: http.StatusBadRequest, Code: CodeInvalidRequest,
			Message: fmt.Sprintf("the row asks for embeddings, which model %s does not make; choose one that does, and another --output", r.Model)}
	}
	b := spare.Get().(*buffers)
	defer b.giveBack()
	path, native := c.render(&r)
	var err error
	if b.request, err = appendRequest(b.request[:0], native); err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	got := c.post(ctx, deadline, path, b.request, b.answer[:0])
	b.answer = got.body
	if got.err != nil {
		return nil, unavailable(ctx, got.status, got.err)
	}
	return c.interpret(ctx, got.status, got.body, &r)
}

// post sends a body to the path below the server's address, and appends the body of the response to into. It ends with the
// context or at the deadline, which may be zero.
func (c *Client) post(ctx context.Context, deadline time.Time, path string, body, into []byte) response {
	if c.direct != nil {
		if r := c.direct.post(ctx, deadline, path, body, into); r.status/100 != 3 { // a redirect is for net/http to follow
			return r
		}
	}
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	// A copy: after an early answer, or the context's end, net/http may go on sending while the buffer is in use again.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(path).String(), bytes.NewReader(bytes.Clone(body)))
	if err != nil {
		return response{body: into, err: fmt.Errorf("make request: %w", err)}
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return response{body: into, err: err}
	}
	r := response{status: answer.StatusCode}
	if r.body, err = readBody(answer, into); err != nil {
		r.err = fmt.Errorf("the answer broke off: %w", err)
	}
	return r
}

// interpret makes an answer, or the reason why there is none, of what the server sent.
func (c *Client) interpret(ctx context.Context, status int, data []byte, r *prompt.Request) (*Answer, error) {
	if status != http.StatusOK {
		return nil, c.refusal(ctx, status, data)
	}
	if r.Endpoint == prompt.Embeddings {
		return c.vectors(ctx, status, data, r.Embedding)
	}
	native, err := decodeAnswer(data)
	if err != nil {
		return nil, unavailable(ctx, status, fmt.Errorf("the answer is no JSON: %w", err))
	}
	// HTTP 200 does not mean an answer: a generation that the server gave up comes with done false, and one that its
	// runner broke off without a reason.
	if !native.Done || native.DoneReason != "stop" && native.DoneReason != "length" {
		return nil, unavailable(ctx, status, fmt.Errorf("the answer is incomplete (done %t, done_reason %q)", native.Done, native.DoneReason))
	}
	return c.answer(native, r)
}

// unavailable keeps a cancelled request apart from a failing server.
func unavailable(ctx context.Context, status int, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) { // whatever the cause: a signal, or the loss of the server
		return context.Canceled
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrTimeout
	}
	return &UnavailableError{Status: status, Err: err}
}

// refusal tells whose fault an HTTP error is.
func (c *Client) refusal(ctx context.Context, status int, body []byte) error {
	message := refusalText(body)
	switch {
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: the server does not know it any more: %s", ErrModelMissing, message)
	case status == http.StatusInternalServerError && unreadable(message), status == http.StatusNotImplemented:
		return &RequestError{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Message: message}
	case status == http.StatusInternalServerError && misread(message):
		return &AnswerError{Message: message}
	case status < 400, status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout,
		status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		// A login that is refused is not the row's fault either.
		return unavailable(ctx, status, errors.New(message))
	case tooLong(message):
		return &RequestError{
			Status: status, Code: CodeContextLength, Message: fmt.Sprintf("%s; the context length is %d: %s", message, c.runner.Context, c.runner.contextHint()),
			PromptTokens: countedTokens(message),
		}
	default:
		return &RequestError{Status: status, Code: CodeInvalidRequest, Message: message + lacking(message)}
	}
}

// lacking says in the words of a row what the server's refusal of a model that cannot do something is about, and the way
// out; it is empty for any other refusal. None gives a code.
func lacking(message string) string {
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

func refusalText(body []byte) string {
	if len(body) == 0 {
		return "it gave no reason"
	}
	var e struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil || e.Error == "" {
		return fmt.Sprintf("%.200q", body)
	}
	// The new generation passes llama-server's own error object on as a string.
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

// contextHint is the way out of a context that is too short. What the context is makes no part of a row: it may change
// within an output.
func (r Runner) contextHint() string {
	if r.Longest {
		return "that is all that the model has, shorten the row"
	}
	return "run again with --retry-failed and --context auto or a larger one, or shorten the row"
}

// misread knows by what the new generation says that it finds no calls, or broken ones, in what a model said: itself, and
// llama-server.
func misread(message string) bool {
	return strings.Contains(message, "returned invalid tool call arguments") ||
		strings.Contains(message, "produced output that does not match the expected")
}

// tooLong knows the two sentences by which the generations refuse a prompt; neither gives a code.
func tooLong(message string) bool {
	return strings.Contains(message, "exceeds the available context size") ||
		strings.Contains(message, "input length exceeds the context length")
}

package ollama

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Transport sends requests to one server, and reads the responses within the room of a row. It follows no redirect to another
// server. It is safe for concurrent use.
type Transport struct {
	base   *url.URL
	rows   *http.Client
	others *http.Client // for all requests except rows
	direct *connections // nil if net/http must send the rows: for TLS, or with a login
}

// Dialer connects to an address. A Transport calls it once per connection.
type Dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// errAddress is the error for a text that is no address of a server. It does not hold the text, which may hold a password.
var errAddress = errors.New("not the address of a server")

// NewTransport returns a transport to the server at base, for example "http://127.0.0.1:4711". Connections is the number of
// requests that are in flight at the same time; each request keeps its connection. If base has a user and password or a query, or
// if there is a key, the transport sends them with each request, and keeps them out of every error. A nil dial connects directly.
func NewTransport(base string, dial Dialer, connections int, key string) (*Transport, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errAddress
	}
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	secrets := credentials{user: u.User, query: u.RawQuery, key: key}
	u = public(u)
	t := newTransport(u, dial, connections, secrets)
	if u.Scheme == "http" && secrets.user == nil {
		t.direct = newConnections(dial, u, secrets)
	}
	return t, nil
}

func newTransport(base *url.URL, dial Dialer, connections int, secrets credentials) *Transport {
	secrets.next = &http.Transport{
		DialContext:            dial,
		Proxy:                  nil, // a proxy of the job's environment must not see loopback requests
		MaxIdleConns:           connections,
		MaxIdleConnsPerHost:    connections,
		MaxResponseHeaderBytes: maxHead,
		DisableCompression:     true,
	}
	stay := &stayHere{next: &secrets}
	return &Transport{
		base: base, rows: &http.Client{Transport: stay}, others: &http.Client{Transport: &limitedBodies{next: stay, limit: maxControlBody}},
	}
}

// Address returns the server's address, without the parts that may be secret.
func (t *Transport) Address() string { return t.base.String() }

// Close closes the idle connections.
func (t *Transport) Close() {
	t.rows.CloseIdleConnections()
	if t.direct != nil {
		t.direct.close()
	}
}

// Reply is the response of a server to a request.
type Reply struct {
	Status int
	Body   []byte
	// RetryAfter is how long the server asks to wait before the next request, in a response with the status 429 or 503; 0 where it
	// does not say so.
	RetryAfter time.Duration
}

// Post sends body to path below the server's address, and appends the body of the response to into. The answer takes the room of
// its row. It stops when the context ends or after limit; 0 means no limit. Errors: a *RequestError if the answer is larger than
// its room, ErrNoRoom, an *UnavailableError if no response came, ErrTimeout in it after limit, and the context's error.
func (t *Transport) Post(ctx context.Context, limit time.Duration, path string, body, into []byte, room *Room) (Reply, error) {
	var deadline time.Time
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	return t.postUntil(ctx, deadline, path, body, into, room)
}

// postUntil is Post with a deadline; the zero deadline means none.
func (t *Transport) postUntil(ctx context.Context, deadline time.Time, path string, body, into []byte, room *Room) (Reply, error) {
	got := t.post(ctx, deadline, path, body, into, room)
	reply := Reply{got.status, got.body, got.retryAfter}
	if _, tooLarge := errors.AsType[*RequestError](got.err); tooLarge || errors.Is(got.err, ErrNoRoom) {
		return reply, got.err
	}
	if got.err != nil {
		return reply, unavailable(ctx, got.status, got.err)
	}
	return reply, nil
}

// post sends body to path below the server's address and appends the body of the response to into. It stops when the
// context ends or at the deadline; the zero deadline means none.
func (t *Transport) post(ctx context.Context, deadline time.Time, path string, body, into []byte, room *Room) response {
	if t.direct != nil {
		if r := t.direct.post(ctx, deadline, path, body, into, room); r.status/100 != 3 { // net/http follows redirects
			return r
		}
	}
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	// Copy the body: after an early response or the end of the context, net/http may still send while the buffer is in
	// use again.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.base.JoinPath(path).String(), bytes.NewReader(bytes.Clone(body)))
	if err != nil {
		return response{body: into, err: fmt.Errorf("make request: %w", err)}
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := t.rows.Do(request)
	if err != nil {
		return response{body: into, err: err}
	}
	defer answer.Body.Close()
	r, _ := readResponse(ctx, deadline, answer, into, room)
	return r
}

// Get reads from path below the server's address. Errors: those of http.Client.
func (t *Transport) Get(ctx context.Context, path string) (Reply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.base.JoinPath(path).String(), nil)
	if err != nil {
		return Reply{}, fmt.Errorf("make request: %w", err)
	}
	answer, err := t.others.Do(request)
	if err != nil {
		return Reply{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return Reply{answer.StatusCode, body, retryAfter(answer)}, err
}

// retryAfter returns the time of the header Retry-After, which is a number of seconds or a date.
func retryAfter(answer *http.Response) time.Duration {
	value := answer.Header.Get("Retry-After")
	if value == "" || answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	if d, err := time.ParseDuration(value + "s"); err == nil {
		return max(0, d)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

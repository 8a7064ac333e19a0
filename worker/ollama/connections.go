package ollama

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// idleLimit is how long a connection may be idle and still be used again. Some servers close idle connections, and a
// request that meets the close is lost. After a pause of this length a new connection is cheap.
const idleLimit = time.Second

// connections is a pool of connections to one server. It holds as many connections as there are requests in flight: a
// new request takes an idle connection first.
type connections struct {
	dial    Dialer
	address string
	base    string // base URL, for errors
	path    string // path of the base URL
	query   string // added to each path: "" or a question mark and the query
	headers string // all headers, up to the value of Content-Length

	mu     sync.Mutex // guards the fields below; held for short accesses only
	idle   []*connection
	closed bool
}

// newConnections returns a pool for POST requests with JSON. The scheme of base must be http. Errors contain base, and
// neither the query nor the key.
func newConnections(dial Dialer, base *url.URL, secrets credentials) *connections {
	address := base.Host
	if base.Port() == "" {
		address = net.JoinHostPort(base.Hostname(), "80")
	}
	query, authorization := "", ""
	if secrets.query != "" {
		query = "?" + secrets.query
	}
	if secrets.key != "" {
		authorization = "Authorization: " + secrets.bearer() + "\r\n"
	}
	return &connections{
		query: query,
		dial:  dial, address: address, base: base.String(), path: strings.TrimSuffix(base.EscapedPath(), "/"),
		headers: " HTTP/1.1\r\nHost: " + base.Host + "\r\n" + authorization + "User-Agent: fluxworker\r\nContent-Type: application/json\r\nContent-Length: ",
	}
}

// post sends body to path below the base URL and appends the body of the response to into. It stops when the context
// ends or at the deadline; the zero deadline means none.
func (p *connections) post(ctx context.Context, deadline time.Time, path string, body, into []byte, room *Room) response {
	r := response{body: into}
	c, err := p.acquire(ctx, deadline)
	if err == nil {
		var reusable bool
		c.out = p.appendHead(c.out[:0], path, len(body))
		r, reusable = c.exchange(ctx, deadline, c.out, body, into, room)
		p.release(c, reusable)
		err = r.err
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // the cause, not the closed connection that it led to
		}
		r.err = fmt.Errorf("post %s: %w", strings.TrimSuffix(p.base, "/")+path, err)
	}
	return r
}

// appendHead appends the head of a request whose body has the given length in bytes.
func (p *connections) appendHead(head []byte, path string, length int) []byte {
	head = append(head, "POST "...)
	head = append(head, p.path...)
	head = append(head, path...)
	head = append(head, p.query...)
	head = append(head, p.headers...)
	head = strconv.AppendInt(head, int64(length), 10)
	return append(head, "\r\n\r\n"...)
}

// acquire returns the idle connection that was used last and is still quiet, or a new connection.
func (p *connections) acquire(ctx context.Context, deadline time.Time) (*connection, error) {
	for {
		c := p.last()
		if c == nil {
			break
		}
		if time.Since(c.idle) <= idleLimit && c.isQuiet() {
			return c, nil
		}
		c.Close()
	}
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	conn, err := p.dial(ctx, "tcp", p.address)
	if err != nil {
		return nil, err
	}
	return newConnection(conn), nil
}

// last removes and returns the connection that became idle last; nil without idle connections.
func (p *connections) last() *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle[n-1], p.idle = nil, p.idle[:n-1]
	return c
}

// release returns a connection to the pool, or closes it if it is not reusable.
func (p *connections) release(c *connection, reusable bool) {
	if reusable {
		c.idle = time.Now()
		p.mu.Lock()
		if !p.closed {
			p.idle = append(p.idle, c)
			c = nil
		}
		p.mu.Unlock()
	}
	if c != nil {
		c.Close()
	}
}

// close closes the idle connections at once and every other connection at the end of its request.
func (p *connections) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}

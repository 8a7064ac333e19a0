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

// idleLimit is for how long a connection may lie idle and be used again. Some servers close such connections by and by,
// and a request that meets its connection's end is lost; a new connection is cheap where nothing was in a hurry.
const idleLimit = time.Second

// connections are those to one server: as many as requests are in flight, since each that becomes free is there for the next
// request.
type connections struct {
	dial    Dialer
	address string
	base    string // of every URL, for errors
	path    string // of the base
	headers string // of every request, up to the length of its body

	mu     sync.Mutex // held for no more than a look at the fields below
	idle   []*connection
	closed bool
}

// newConnections makes connections for POST requests with JSON. The scheme of base must be http.
func newConnections(dial Dialer, base *url.URL) *connections {
	address := base.Host
	if base.Port() == "" {
		address = net.JoinHostPort(base.Hostname(), "80")
	}
	return &connections{
		dial: dial, address: address, base: base.String(), path: strings.TrimSuffix(base.EscapedPath(), "/"),
		headers: " HTTP/1.1\r\nHost: " + base.Host + "\r\nUser-Agent: fluxworker\r\nContent-Type: application/json\r\nContent-Length: ",
	}
}

// post sends a body to the path below the base, and appends the body of the response to into. It ends with the context or at
// the deadline, which may be zero.
func (p *connections) post(ctx context.Context, deadline time.Time, path string, body, into []byte) response {
	r := response{body: into}
	c, err := p.take(ctx, deadline)
	if err == nil {
		var reusable bool
		r, reusable = c.exchange(ctx, deadline, p.head(path, len(body)), body, into)
		p.giveBack(c, reusable)
		err = r.err
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // and not that the connection was closed
		}
		r.err = fmt.Errorf("post %s: %w", strings.TrimSuffix(p.base, "/")+path, err)
	}
	return r
}

// head is what stands in front of a body of so many bytes.
func (p *connections) head(path string, length int) []byte {
	head := make([]byte, 0, 256)
	head = append(head, "POST "...)
	head = append(head, p.path...)
	head = append(head, path...)
	head = append(head, p.headers...)
	head = strconv.AppendInt(head, int64(length), 10)
	return append(head, "\r\n\r\n"...)
}

// take returns an idle connection on which nothing has come, or a new one. Taken is the one that was used last: the others may
// grow old.
func (p *connections) take(ctx context.Context, deadline time.Time) (*connection, error) {
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

// last takes the connection that became idle last; nil where none is.
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

func (p *connections) giveBack(c *connection, reusable bool) {
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

// close closes the idle connections, and each of the others when its request is through.
func (p *connections) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}

package ollama

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// connection is one HTTP/1.1 connection that carries one request after the other. net/http's Transport has two
// goroutines per connection, which need four context switches and ninety allocations for each request: half of the cost
// of a row. Here the caller's goroutine writes and reads; net/http only parses the response.
type connection struct {
	net.Conn
	in      *bufio.Reader
	limited bool // true if a deadline is set on Conn
	idle    time.Time

	raw    syscall.RawConn           // nil if Conn is not a socket
	peek   func(socket uintptr) bool // sets silent; a field, so that no request allocates the function
	silent bool
}

func newConnection(conn net.Conn) *connection {
	c := &connection{Conn: conn, in: bufio.NewReader(conn)}
	if socket, ok := conn.(syscall.Conn); ok {
		c.raw, _ = socket.SyscallConn() // without it, data on an idle connection goes unnoticed
	}
	c.peek = func(socket uintptr) bool {
		var one [1]byte
		_, err := unix.Read(int(socket), one[:]) // Go's sockets do not block here; the byte is discarded
		c.silent = err == unix.EAGAIN
		return true
	}
	return c
}

// isQuiet reports whether nothing arrived on an idle connection: not its end, which would cost the next request, and no
// extra bytes, which would be taken for the answer to the next request.
func (c *connection) isQuiet() bool {
	return c.raw == nil || c.raw.Read(c.peek) == nil && c.silent
}

// exchange sends a request and appends the body of the response to into. The head ends before the value of
// Content-Length. Status 0 means that no response came. If reusable is false, the connection must not be used again.
func (c *connection) exchange(ctx context.Context, deadline time.Time, head, body, into []byte) (r response, reusable bool) {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	r, reusable = c.send(deadline, head, body, into)
	if !stop() {
		reusable = false // the connection is closed, or closes soon
	}
	return r, reusable
}

// response is the server's response, complete or up to the error.
type response struct {
	status int // 0 if no response came
	body   []byte
	err    error
}

func (c *connection) send(deadline time.Time, head, body, into []byte) (r response, reusable bool) {
	if c.limited || !deadline.IsZero() {
		c.SetDeadline(deadline)
		c.limited = !deadline.IsZero()
	}
	packet := net.Buffers{head, body}
	_, sent := packet.WriteTo(c.Conn)
	// A server that rejects a request may answer and close before it read the whole request.
	answer, err := c.readHead()
	switch {
	case sent != nil && err != nil:
		return response{body: into, err: sent}, false
	case err != nil:
		return response{body: into, err: err}, false
	}
	r.status = answer.StatusCode
	r.body, err = readBody(answer, into)
	if err != nil {
		r.err = fmt.Errorf("the answer broke off: %w", err)
	}
	// Bytes after the response would be taken for the answer to the next request.
	return r, r.err == nil && sent == nil && !answer.Close && c.in.Buffered() == 0
}

// posted is the request to which http.ReadResponse assigns every response: it needs the method only.
var posted = &http.Request{Method: http.MethodPost}

// readHead reads a response up to its body. It skips informational responses (1xx).
func (c *connection) readHead() (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(c.in, posted)
		if err != nil || answer.StatusCode >= http.StatusOK || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, err
		}
	}
}

// readBody appends the body of a response to into. It returns an error if the body is longer than maxAnswer.
func readBody(answer *http.Response, into []byte) ([]byte, error) {
	defer answer.Body.Close()
	into = slices.Grow(into, int(max(0, min(answer.ContentLength, maxAnswer))))
	for start := len(into); ; {
		if len(into) == cap(into) {
			into = slices.Grow(into, bytes.MinRead)
		}
		n, err := answer.Body.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		switch {
		case err == io.EOF:
			return into, nil
		case err != nil:
			return into, err
		case len(into)-start > maxAnswer:
			return into, fmt.Errorf("it is longer than %d MiB", maxAnswer>>20)
		}
	}
}

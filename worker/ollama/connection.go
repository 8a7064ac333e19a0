package ollama

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// connection is one HTTP/1.1 connection that carries one request after the other. net/http's Transport has two
// goroutines per connection, which need four context switches and ninety allocations for each request: half of the cost
// of a row. Here the caller's goroutine writes and reads; net/http only parses the response.
type connection struct {
	net.Conn
	head    headLimit // reads from Conn
	in      *bufio.Reader
	out     []byte // the head of the last request
	limited bool   // true if a deadline is set on Conn
	idle    time.Time

	raw    syscall.RawConn           // nil if Conn is not a socket
	peek   func(socket uintptr) bool // sets silent; a field, so that no request allocates the function
	silent bool
}

func newConnection(conn net.Conn) *connection {
	c := &connection{Conn: conn, head: headLimit{from: conn}}
	c.in = bufio.NewReader(&c.head)
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
func (c *connection) exchange(ctx context.Context, deadline time.Time, head, body, into []byte, room *Room) (r response, reusable bool) {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	r, reusable = c.send(ctx, deadline, head, body, into, room)
	if !stop() {
		reusable = false // the connection is closed, or closes soon
	}
	return r, reusable
}

func (c *connection) send(ctx context.Context, deadline time.Time, head, body, into []byte, room *Room) (r response, reusable bool) {
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
	var complete bool
	r, complete = readResponse(ctx, deadline, answer, into, room)
	// Bytes after the response would be taken for the answer to the next request.
	return r, complete && sent == nil && !answer.Close && c.in.Buffered() == 0
}

// posted is the request to which http.ReadResponse assigns every response: it needs the method only.
var posted = &http.Request{Method: http.MethodPost}

// readHead reads a response up to its body. It skips informational responses (1xx). All heads together are limited.
func (c *connection) readHead() (*http.Response, error) {
	c.head.left = maxHead
	for {
		answer, err := http.ReadResponse(c.in, posted)
		if err != nil && c.head.left <= 0 {
			return nil, errHead // the parser may complain about the line that was cut
		}
		if err != nil || answer.StatusCode >= http.StatusOK || answer.StatusCode == http.StatusSwitchingProtocols {
			c.head.left = math.MaxInt64
			return answer, err
		}
	}
}

// maxHead limits the head of a response in bytes, together with those of the informational responses before it.
const maxHead = 16 << 10

var errHead = fmt.Errorf("the head of the response, with the informational responses (1xx) before it, has more than %d KiB; is this the address of a server for models?", maxHead>>10)

// headLimit reads a number of bytes from a connection, and then fails.
type headLimit struct {
	from io.Reader
	left int64
}

// Read reads from the connection.
func (h *headLimit) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, errHead
	}
	n, err := h.from.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}

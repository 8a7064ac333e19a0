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

// connection is one HTTP/1.1 connection for one request after the other. net/http's Transport has two goroutines for each,
// which take four switches and ninety allocations to hand a request over and an answer back: half of what a row cost. Here
// the one that asks writes and reads by itself; the response is net/http's to read.
type connection struct {
	net.Conn
	in      *bufio.Reader
	limited bool // a deadline is set
	idle    time.Time

	raw    syscall.RawConn           // nil where there is no socket
	look   func(socket uintptr) bool // sets silent; here, so that no request allocates it
	silent bool
}

func newConnection(conn net.Conn) *connection {
	c := &connection{Conn: conn, in: bufio.NewReader(conn)}
	if socket, ok := conn.(syscall.Conn); ok {
		c.raw, _ = socket.SyscallConn() // without it nothing is noticed before the next request
	}
	c.look = func(socket uintptr) bool {
		var one [1]byte
		_, err := unix.Read(int(socket), one[:]) // at once, as Go's sockets do; what it takes nobody wants
		c.silent = err == unix.EAGAIN
		return true
	}
	return c
}

// isQuiet tells whether nothing has come on an idle connection: neither its end, which would cost a request, nor more than the
// last answer, which would pass for the answer to the next request.
func (c *connection) isQuiet() bool {
	return c.raw == nil || c.raw.Read(c.look) == nil && c.silent
}

// exchange sends a request, whose head ends before the length of the body, and appends the body of the response to into.
// A status of 0 means that no response came. The connection must not be used again where reusable is false.
func (c *connection) exchange(ctx context.Context, deadline time.Time, head, body, into []byte) (r response, reusable bool) {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	r, reusable = c.send(deadline, head, body, into)
	if !stop() {
		reusable = false // it is closed, or about to be
	}
	return r, reusable
}

// response is what came back, as far as it did.
type response struct {
	status int // 0 where nothing came
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
	// A server that does not like what it reads may answer and close before it has read all.
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
	// What a server sends beyond the answer would pass for the answer to the next request.
	return r, r.err == nil && sent == nil && !answer.Close && c.in.Buffered() == 0
}

// posted tells net/http to which kind of request the responses belong.
var posted = &http.Request{Method: http.MethodPost}

// readHead reads a response up to its body; responses that only announce another one are passed over.
func (c *connection) readHead() (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(c.in, posted)
		if err != nil || answer.StatusCode >= http.StatusOK || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, err
		}
	}
}

// readBody appends the body of a response to into.
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

package ollama

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// maxErrorBody limits the body of an error response in bytes. The rest is not read.
const maxErrorBody = 64 << 10

// response is the server's response, complete or up to the error.
type response struct {
	status int // 0 if no response came
	body   []byte
	err    error

	retryAfter time.Duration // see Reply
}

// readResponse appends the body of a response to into, within the room of the row. After an error the room is as before.
// complete means that nothing of the response is left on its connection. The caller closes the body where it must be
// closed: net/http closes the body of an http.ReadResponse only after the body's end, which may never come.
func readResponse(ctx context.Context, deadline time.Time, answer *http.Response, into []byte, room *Room) (r response, complete bool) {
	r.status, r.retryAfter = answer.StatusCode, retryAfter(answer)
	if r.status != http.StatusOK {
		r.body, r.err = io.ReadAll(io.LimitReader(answer.Body, maxErrorBody))
		complete = len(r.body) < maxErrorBody
	} else {
		before := room.bytes
		if r.body, r.err = readBody(ctx, deadline, answer, into, room); r.err != nil {
			room.shrink(before)
		}
		complete = true
	}
	if r.err == nil {
		return r, complete
	}
	if _, row := errors.AsType[*RequestError](r.err); !row && !errors.Is(r.err, ErrNoRoom) {
		r.err = fmt.Errorf("the answer broke off: %w", r.err)
	}
	return r, false
}

// readBody appends the body to into.
func readBody(ctx context.Context, deadline time.Time, answer *http.Response, into []byte, room *Room) ([]byte, error) {
	grow := func(n int) error {
		if err := room.grow(ctx, deadline, int64(n)); err != nil {
			return err
		}
		into = slices.Grow(into, n)
		return nil
	}
	start, size := len(into), answer.ContentLength
	if size > room.budget.limit {
		return into, tooLarge(room.budget.limit)
	}
	if err := grow(int(max(0, size))); err != nil {
		return into, err
	}
	for {
		if len(into) == cap(into) {
			if err := grow(max(bytes.MinRead, len(into)/4)); err != nil {
				return into, err
			}
		}
		n, err := answer.Body.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		switch {
		case err == io.EOF:
			return into, grow(overhead(into[start:]))
		case err != nil:
			return into, err
		}
	}
}

// overhead returns about how many bytes a response takes after it was decoded beyond its own size. An empty object of a
// list, such as that of logprobs, has 2 bytes as text and up to 72 in memory.
func overhead(body []byte) int {
	if len(body) <= freeBytes {
		return 0
	}
	return 64*bytes.Count(body, []byte("{")) + 24*bytes.Count(body, []byte("["))
}

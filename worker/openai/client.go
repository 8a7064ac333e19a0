// Package openai asks servers of OpenAI's API, such as vLLM, SGLang and llama-server.
//
// Invariants:
//   - A request is the body of its row, and the line of the row has the body of the response: neither is changed but for white
//     space, and for bytes of a response that are not UTF-8.
//   - The key is in no error and no log.
package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	fast "fluxworker/worker/json"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// busyPause is the wait after a response with the status 429 that does not say how long to wait.
const busyPause = time.Second

// Client sends requests to one server. It is safe for concurrent use.
type Client struct {
	*ollama.Transport
	model string
	own   bool // this run has started the server, which needs its time
	slots int  // of the server; 0 where it does not tell
}

// NewClient returns a client for a server that runs already. base is its address, such as "http://127.0.0.1:8000", also with
// "/v1" behind it; see ollama.NewTransport.
func NewClient(base string, connections int, key, model string) (*Client, error) {
	base = strings.TrimSuffix(strings.TrimRight(base, "/"), "/v1")
	t, err := ollama.NewTransport(base, nil, connections, key)
	if err != nil {
		return nil, errors.New("--openai-url is not the address of a server; give one like http://127.0.0.1:8000") // without the value: it may hold a password
	}
	return &Client{Transport: t, model: model}, nil
}

// NewClientVia returns a client for a server of this run at base, which dial reaches. The server must be listening already.
func NewClientVia(base string, dial ollama.Dialer, connections int, key, model string) (*Client, error) {
	t, err := ollama.NewTransport(base, dial, connections, key)
	if err != nil {
		return nil, err
	}
	return &Client{Transport: t, model: model, own: true}, nil
}

// AskWithin returns the response to the body of a request. The answer takes the room of its row. After limit it returns an
// *ollama.UnavailableError with ErrTimeout; 0 means no limit. Errors: *ollama.RequestError, *ollama.UnavailableError,
// ollama.ErrNoRoom, the context's error.
func (c *Client) AskWithin(ctx context.Context, limit time.Duration, r prompt.Request, room *ollama.Room) (*ollama.Answer, error) {
	reply, err := c.Post(ctx, limit, string(r.Endpoint), r.Body, nil, room)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(reply.Body) { // other bytes make the whole output unreadable for many programs
		reply.Body = bytes.ToValidUTF8(reply.Body, []byte("\ufffd"))
	}
	if reply.Status != http.StatusOK {
		return nil, failure(reply)
	}
	return answerOf(reply.Body)
}

// failure returns the error that names the party at fault: the row or the server.
func failure(reply ollama.Reply) error {
	said := readError(reply.Body)
	switch status := reply.Status; {
	case status == http.StatusNotImplemented:
	case status == http.StatusTooManyRequests && reply.RetryAfter == 0:
		return &ollama.UnavailableError{Status: status, Err: errors.New(said.message), RetryAfter: busyPause}
	case status < 400, status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusTooEarly,
		status == http.StatusUnauthorized, status == http.StatusPaymentRequired, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		// A rejected key or an empty account is not the row's fault.
		return &ollama.UnavailableError{Status: status, Err: errors.New(said.message), RetryAfter: reply.RetryAfter}
	}
	return &ollama.RequestError{Status: reply.Status, Code: said.code, Message: said.message, Raw: said.raw}
}

// answerOf returns the answer in the body of a response.
func answerOf(body []byte) (*ollama.Answer, error) {
	if !fast.Valid(body) {
		var value any
		err := json.Unmarshal(body, &value) // says where
		return nil, &ollama.UnavailableError{Status: http.StatusOK, Err: fmt.Errorf("the answer is not JSON: %w", err)}
	}
	a, failed := readAnswer(fast.Compact(body))
	if failed != 0 {
		return nil, failure(ollama.Reply{Status: failed, Body: body})
	}
	if a.FinishReason == "abort" { // vLLM and SGLang, at their end
		return nil, &ollama.UnavailableError{Status: http.StatusOK, Err: errors.New("the answer is incomplete: the server has aborted it (finish_reason abort)")}
	}
	return a, nil
}

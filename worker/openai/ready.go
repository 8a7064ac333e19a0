package openai

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

const (
	// unreachableFor is how long the address of a server that runs already may be wrong: the server may be starting.
	unreachableFor = 3 * time.Second
	// pollEvery is the time between two looks at a server that starts. A large model needs minutes.
	pollEvery = 100 * time.Millisecond
	// maxNamed is the largest number of models that a message names.
	maxNamed = 10
)

// errOther means that the address is not that of a server of OpenAI's API.
var errOther = errors.New("this is no server of OpenAI's API")

// errKey means that the server wants another key.
var errKey = errors.New("the server refuses the key; give the file with the right one to --openai-key-file")

// WaitAnswering waits until the server is healthy and lists its models. The address of a server that runs already may be wrong for a
// few seconds; a server of this run may need all the time of the context.
func (c *Client) WaitAnswering(ctx context.Context) (version string, err error) {
	began := time.Now()
	for {
		_, err := c.models(ctx)
		switch {
		case err == nil, errors.Is(err, errKey), errors.Is(err, ollama.ErrRedirected):
			return "", err
		case c.own || time.Since(began) < unreachableFor:
		case unreachable(err):
			return "", fmt.Errorf("no server listens at %s: %w; start it there, or correct the address", c.Address(), err)
		case untrusted(err):
			return "", fmt.Errorf("%w; name the file with the certificate of its authority in the variable SSL_CERT_FILE", err)
		case errors.Is(err, errOther):
			return "", fmt.Errorf("ask %s: %w; give the address before /v1, such as http://127.0.0.1:8000", c.Address(), err)
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the server at %s does not answer: %w", c.Address(), err)
		case <-time.After(pollEvery):
		}
	}
}

// unreachable reports whether the error means that no server listens at the address, in contrast to a slow server.
func unreachable(err error) bool {
	var name *net.DNSError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) ||
		errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &name) && name.IsNotFound
}

// untrusted reports whether the error means that the machine does not trust the certificate of the server.
func untrusted(err error) bool {
	_, is := errors.AsType[*tls.CertificateVerificationError](err)
	return is
}

// models returns the models of a healthy server.
func (c *Client) models(ctx context.Context) (list []model, err error) {
	health, err := c.Get(ctx, "/health")
	if err != nil {
		return nil, err
	}
	if health.Status >= 500 { // other servers have no such path
		return nil, fmt.Errorf("it is not healthy: /health answers %d", health.Status)
	}
	reply, err := c.Get(ctx, "/v1/models")
	switch {
	case err != nil:
		return nil, err
	case reply.Status == http.StatusUnauthorized, reply.Status == http.StatusForbidden:
		return nil, fmt.Errorf("%w: /v1/models answers %d", errKey, reply.Status)
	case reply.Status/100 == 4 && reply.Status != http.StatusTooManyRequests && reply.Status != http.StatusRequestTimeout:
		return nil, fmt.Errorf("%w: /v1/models answers %d: %s", errOther, reply.Status, readError(reply.Body).message)
	case reply.Status != http.StatusOK:
		return nil, fmt.Errorf("/v1/models answers %d: %s", reply.Status, readError(reply.Body).message)
	}
	var found struct {
		Data []model `json:"data"`
	}
	if err := json.Unmarshal(reply.Body, &found); err != nil {
		return nil, fmt.Errorf("%w: /v1/models answers no list of models: %w", errOther, err)
	}
	return found.Data, nil
}

// model is a model in the list of a server.
type model struct {
	ID      string `json:"id"`
	OwnedBy string `json:"owned_by"`
}

// Describe returns what the server tells of the run's model. Error: ollama.ErrModelMissing, with the models that are there.
func (c *Client) Describe(ctx context.Context) (ollama.Info, error) {
	list, err := c.models(ctx)
	if err != nil {
		return ollama.Info{}, err
	}
	i := slices.IndexFunc(list, func(m model) bool { return m.ID == c.model })
	if i < 0 {
		return ollama.Info{}, c.missing(list)
	}
	return ollama.Info{Engine: list[i].OwnedBy}, nil
}

// missing returns the error for a model that the server does not serve.
func (c *Client) missing(list []model) error {
	var names []string
	for _, m := range list {
		names = append(names, m.ID)
	}
	others := "it serves no model"
	switch {
	case len(names) > maxNamed:
		others = fmt.Sprintf("it serves %d models, such as %s", len(names), strings.Join(names[:maxNamed], ", "))
	case len(names) > 0:
		others = "it serves " + strings.Join(names, ", ")
	}
	return fmt.Errorf("model %q is not at %s: %w; %s; give the name that the server uses to --model", c.model, c.Address(), ollama.ErrModelMissing, others)
}

// Load checks that the server serves the model, and asks for its slots.
func (c *Client) Load(ctx context.Context, _ string) error {
	info, err := c.Describe(ctx)
	if err != nil {
		return err
	}
	c.slots, err = c.slotsOf(ctx, info.Engine)
	return err
}

// batchedRows is the number of rows that vLLM and SGLang compute at once by their defaults, at least.
const batchedRows = 256

// slotsOf returns the number of rows that the server computes at once; 0 where it does not tell.
func (c *Client) slotsOf(ctx context.Context, engine string) (int, error) {
	switch engine {
	case "vllm", "sglang":
		return batchedRows, nil
	case "llamacpp":
		reply, err := c.Get(ctx, "/props")
		var props struct {
			Slots int `json:"total_slots"`
		}
		if err == nil && json.Unmarshal(reply.Body, &props) != nil {
			return 0, nil
		}
		return props.Slots, err
	}
	return 0, nil
}

// Slots returns the number of rows that the server computes at once, after Load; 0 where it does not tell.
func (c *Client) Slots() int { return c.slots }

// Loaded returns nothing: these servers do not tell how much memory their models take.
func (c *Client) Loaded(context.Context, string) (ollama.Footprint, error) {
	return ollama.Footprint{}, nil
}

// Verify asks for a one-token answer, of a chat, of a completion or of an embedding: the server refuses those that its model does
// not make. A server that refuses all of them answers; the rows say what they want.
func (c *Client) Verify(ctx context.Context, model string) error {
	name, err := json.Marshal(model)
	if err != nil {
		return fmt.Errorf("get a first answer: %w", err)
	}
	room := ollama.NewBudget(ollama.MinBudget).NewRoom(0)
	defer room.Release()
	for _, first := range []struct {
		to   prompt.Endpoint
		body string
	}{
		{prompt.Chat, `{"model":%s,"messages":[{"role":"user","content":"1"}],"max_tokens":1}`},
		{prompt.Completions, `{"model":%s,"prompt":"1","max_tokens":1}`},
		{prompt.Embeddings, `{"model":%s,"input":"1"}`},
	} {
		err := c.verified(ctx, prompt.Request{Endpoint: first.to, Body: fmt.Appendf(nil, first.body, name)}, room)
		if _, refused := errors.AsType[*ollama.RequestError](err); err == nil || !refused {
			return err
		}
	}
	return nil
}

// verified asks until the server is not busy.
func (c *Client) verified(ctx context.Context, r prompt.Request, room *ollama.Room) error {
	for {
		_, err := c.AskWithin(ctx, 0, r, room)
		busy, unavailable := errors.AsType[*ollama.UnavailableError](err)
		if !unavailable || busy.RetryAfter == 0 {
			if err != nil {
				err = fmt.Errorf("get a first answer: %w", err)
			}
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("get a first answer: %w", err)
		case <-time.After(busy.RetryAfter):
		}
	}
}

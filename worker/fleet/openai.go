package fleet

import (
	"context"
	"errors"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/openai"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
)

// OpenAI says how servers of OpenAI's API are asked.
type OpenAI struct {
	Key string // for each request; "" without one
}

// client is what a server needs of the clients for both APIs.
type client interface {
	// AskWithin gets one answer; see ollama.Client.
	AskWithin(ctx context.Context, limit time.Duration, r prompt.Request, room *ollama.Room) (*ollama.Answer, error)
	// WaitAnswering waits until the server answers, and returns its version, or "".
	WaitAnswering(ctx context.Context) (version string, err error)
	// Load loads the model, or checks that it is loaded. Error: ErrModelMissing.
	Load(ctx context.Context, model string) error
	// Verify gets a first answer.
	Verify(ctx context.Context, model string) error
	// Loaded returns the memory that the model takes; zero where the server does not tell it.
	Loaded(ctx context.Context, model string) (ollama.Footprint, error)
	Close()
}

// client returns a client of a server that runs already.
func (o *OpenAI) client(url string, connections int, model string) (*openai.Client, error) {
	return openai.NewClient(url, connections, o.Key, model)
}

// inspectOpenAI is Inspect for a server of OpenAI's API. Errors: ConfigError for the URL; ErrModelMissing; ServerError.
func (i Inspector) inspectOpenAI(ctx context.Context) (ollama.Info, error) {
	c, err := i.OpenAI.client(i.URL, 1, i.Model)
	if err != nil {
		return ollama.Info{}, &outcome.ConfigError{Err: err}
	}
	defer c.Close()
	ctx, cancel := loading(ctx, i.LoadTimeout)
	defer cancel()
	var info ollama.Info
	if _, err = c.WaitAnswering(ctx); err == nil {
		info, err = c.Describe(ctx)
	}
	if err != nil && !errors.Is(err, ollama.ErrModelMissing) {
		err = serverError(nil, i.URL, withCause(ctx, err))
	}
	return info, err
}

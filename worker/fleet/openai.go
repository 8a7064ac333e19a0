package fleet

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"fluxworker/gpu"
	"fluxworker/worker/ollama"
	"fluxworker/worker/openai"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
)

// OpenAI says how servers of OpenAI's API are asked.
type OpenAI struct {
	Key     string // for each request; "" without one
	Servers int    // that the run starts, at least 1
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

// clientVia returns a client of a server of this run.
func (o *OpenAI) clientVia(s *ollama.Server, connections int, model string) (*openai.Client, error) {
	return openai.NewClientVia(s.URL(), s.Dial, connections, o.Key, model)
}

// command returns the command of a server with its port and its number of GPUs in their places.
func (o *OpenAI) command(command []string, port, gpus int) []string {
	places := strings.NewReplacer(PortPlace, strconv.Itoa(port), gpusPlace, strconv.Itoa(gpus))
	filled := make([]string, len(command))
	for i, word := range command {
		filled[i] = places.Replace(word)
	}
	return filled
}

// PortPlace stands in a command for the port on which the server must listen; gpusPlace for its number of GPUs.
const (
	PortPlace = "{port}"
	gpusPlace = "{gpus}"
)

// freePort returns a port of 127.0.0.1 that is free now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, &ollama.ServerError{Op: "find a free port", Err: err}
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// visibleNames returns the entries of CUDA_VISIBLE_DEVICES for GPUs.
func visibleNames(devices []gpu.Device) []string {
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = d.VisibleName
	}
	return names
}

// inspectOpenAI is Inspect for a server of OpenAI's API. A server of this run is asked when it serves: a second start only for the
// questions would load its model twice. Errors: ConfigError for the URL; ErrModelMissing; ServerError.
func (i Inspector) inspectOpenAI(ctx context.Context) (ollama.Info, error) {
	if i.URL == "" {
		return ollama.Info{}, nil
	}
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

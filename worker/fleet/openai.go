package fleet

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/ollama"
	"fluxworker/worker/openai"
	"fluxworker/worker/outcome"
)

// OpenAI says how servers of OpenAI's API are asked.
type OpenAI struct {
	Key     string // for each request; "" without one
	Servers int    // that the run starts, at least 1
	// FindSlots means that the slots of a plan are a guess: the server tells a better number, or the traffic shows it.
	FindSlots bool
}

// openAI is the api of servers of OpenAI's API.
type openAI struct{ *Fleet }

// command fills in the port and the number of GPUs.
func (f openAI) command(s *Server) ([]string, ollama.Settings, error) {
	settings := f.settings(s)
	settings.Devices = visibleNames(s.plan.Devices)
	port, err := freePort()
	settings.Port = port
	places := strings.NewReplacer(PortPlace, strconv.Itoa(port), gpusPlace, strconv.Itoa(len(s.plan.Devices)))
	command := make([]string, len(f.config.Command))
	for i, word := range f.config.Command {
		command[i] = places.Replace(word)
	}
	return command, settings, err
}

func (f openAI) running(s *Server) (client, error) {
	c, err := openai.NewClient(f.config.URL, f.connections(s), f.config.OpenAI.Key, f.config.Model)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (f openAI) started(s *Server) (client, error) {
	c, err := openai.NewClientVia(s.process.URL(), s.process.Dial, f.connections(s), f.config.OpenAI.Key, f.config.Model)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// connections returns the largest number of rows that a server may get at once.
func (f openAI) connections(s *Server) int {
	if f.config.OpenAI.FindSlots {
		return batcher.InFlight(batcher.MaxFoundSlots)
	}
	return batcher.InFlight(s.slots)
}

// ready notes the slots, and nothing of processes and layers: other programs than Ollama have processes that end on their own.
func (f openAI) ready(s *Server) {
	if s.process != nil {
		s.setReady(false)
	}
	if f.config.OpenAI.FindSlots {
		s.slots = cmp.Or(s.client.(*openai.Client).Slots(), s.slots)
	}
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
	c, err := openai.NewClient(i.URL, 1, i.OpenAI.Key, i.Model)
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

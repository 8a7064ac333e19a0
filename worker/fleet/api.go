package fleet

import (
	"context"
	"time"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// api starts and asks the servers of a fleet: by Ollama's own API, or by OpenAI's.
type api interface {
	// command returns the command of a server, and its settings.
	command(s *Server) ([]string, ollama.Settings, error)
	// running returns a client of a server that runs already.
	running(s *Server) (client, error)
	// started returns a client of a server that this run has started.
	started(s *Server) (client, error)
	// ready notes what a server that has answered tells about itself.
	ready(s *Server)
}

// client asks one server.
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

// ollamaAPI is the api of Ollama servers.
type ollamaAPI struct{ *Fleet }

func (f ollamaAPI) command(s *Server) ([]string, ollama.Settings, error) {
	return f.config.Command, f.settings(s), nil
}

func (f ollamaAPI) running(s *Server) (client, error) {
	c, err := ollama.NewClient(f.config.URL, batcher.InFlight(s.slots), f.config.Info.Runner(ollama.Runner{Context: s.context}))
	if err != nil {
		return nil, err // not an interface with a nil client
	}
	return c, nil
}

func (f ollamaAPI) started(s *Server) (client, error) {
	return ollama.NewClientVia(s.process.Address(), s.process.Dial, batcher.InFlight(s.slots), f.config.Info.Runner(ollama.Runner{
		Context: s.context, Threads: f.threads, Ubatch: s.ubatch, GPULayers: f.config.GPULayers,
	})), nil
}

func (f ollamaAPI) ready(s *Server) {
	if s.process != nil {
		s.setReady(true)
		s.layers = s.process.Layers()
	}
}

// settings returns the settings of a server.
func (f *Fleet) settings(s *Server) ollama.Settings {
	return ollama.Settings{
		Models: f.config.Models, File: f.config.File, Slots: s.slots, Context: s.context, Device: f.config.Device, LoadTimeout: f.config.LoadTimeout,
		KVCacheType: s.cache, Devices: uuids(s.plan.Devices), FixedLayers: f.config.GPULayers > 0, Isolate: f.isolation(),
	}
}

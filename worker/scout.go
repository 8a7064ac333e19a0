package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rs/zerolog"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/modelcfg"
	"fluxworker/worker/lease"
	"fluxworker/worker/ollama"
)

// scout learns what Ollama knows of the model, and fetches it where that is allowed, before anything is planned. It does
// so with a server that lives for this alone, sees no GPU and loads nothing: how many slots the real servers get is
// decided by the model's own metadata, and they are told when they start.
type scout struct {
	Server
	model   string
	log     zerolog.Logger
	logPath string       // for what the server prints
	self    lease.Holder // who we are to others that want to pull
	onFetch func()       // told when a pull begins; nil is told nothing
}

// look starts the server, asks and ends it. With a server that runs already it only asks.
func (s scout) look(ctx context.Context) (ollama.Info, error) {
	server, err := s.start(ctx)
	if server != nil {
		defer server.Stop()
	}
	if err != nil {
		return ollama.Info{}, err
	}
	client, err := s.client(server)
	if err != nil {
		return ollama.Info{}, err
	}
	defer client.Close()
	info, err := s.identify(ctx, client)
	if err != nil {
		return ollama.Info{}, s.explain(server, err)
	}
	return info, nil
}

// start starts the server, unless one runs already. What it started is returned with an error, too.
func (s scout) start(ctx context.Context) (*ollama.Server, error) {
	if s.URL != "" {
		return nil, nil
	}
	isolate := s.Isolate
	if s.PullMissing {
		isolate = ollama.IsolateNever // a pull needs the network
	}
	server, err := ollama.Start(s.Command, ollama.Settings{
		Models: s.Models, File: s.File, Slots: 1, Context: 1, Device: ollama.DeviceCPU, LoadTimeout: s.LoadTimeout, Isolate: isolate,
	}, s.ScratchRoot, s.logPath)
	if err != nil {
		return nil, err
	}
	ctx, cancel := loading(ctx, s.LoadTimeout)
	defer cancel()
	return server, server.WaitListening(ctx, ollama.DeviceCPU)
}

func (s scout) client(server *ollama.Server) (*ollama.Client, error) {
	if server != nil {
		return ollama.NewClientVia(server.Address(), server.Dial, 1, ollama.Runner{Context: 1}), nil
	}
	client, err := ollama.NewClient(s.URL, 1, ollama.Runner{Context: 1})
	if err != nil {
		return nil, &ConfigError{Err: err}
	}
	return client, nil
}

// identify learns the server's version and what it knows of the model.
func (s scout) identify(ctx context.Context, client *ollama.Client) (ollama.Info, error) {
	bounded, cancel := loading(ctx, s.LoadTimeout)
	defer cancel()
	version, err := client.WaitAnswering(bounded)
	if err != nil {
		return ollama.Info{}, because(bounded, err)
	}
	info, err := client.Describe(bounded, s.model)
	if errors.Is(err, ollama.ErrModelMissing) && s.PullMissing {
		if err := s.fetch(ctx, client); err != nil {
			return ollama.Info{}, err
		}
		info, err = client.Describe(ctx, s.model)
	}
	info.Version = version
	if s.File != nil {
		info.Digest = s.File.Digest // the server's is of its manifest, which depends on its version, too
	}
	return info, because(bounded, err)
}

// explain adds to a failure what the researcher can do about it, or what the server's log says.
func (s scout) explain(server *ollama.Server, err error) error {
	var pull *PullError
	if errors.As(err, &pull) || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, ollama.ErrModelMissing) {
		where := s.Models
		if s.URL != "" {
			where = redacted(s.URL)
		}
		return fmt.Errorf("model %q is not in %s: %w; run `fluxworker pull --model %s` where there is a network (the login node), or add --pull missing",
			s.model, where, ollama.ErrModelMissing, s.model)
	}
	return serverError(server, s.URL, err)
}

// serverError is a failed preparation, with the end of the log of a server of our own.
func serverError(server *ollama.Server, url string, err error) error {
	if server == nil {
		return &ollama.ServerError{Op: "prepare server " + redacted(url), Err: err}
	}
	return server.Failed("prepare server", err)
}

func (c Config) scout(log zerolog.Logger, logPath string) scout {
	return scout{
		Server: c.Server, model: c.Defaults.Model, log: log, logPath: logPath, self: lease.Self(c.Place.name(), c.Place.Job.Restarts),
	}
}

// Look asks Ollama what it knows of the model, by a server that lives for this alone. What it prints goes to logPath.
func (c Config) Look(ctx context.Context, log zerolog.Logger, logPath string) (ollama.Info, error) {
	return c.scout(log, logPath).look(ctx)
}

// Plan brings together what the user wants, what the model is and what the GPUs have. What Ollama says of the model
// counts for more than its YAML; the zero Info means that it was not asked. Errors: those of batcher.Decide, MemoryError.
func (c Config) Plan(info ollama.Info, gpus []gpu.Device) (batcher.Plan, error) {
	architecture := c.architecture(info)
	wish := c.Wish
	wish.CPU = c.Server.Device == ollama.DeviceCPU
	wish.Unchecked = c.Server.URL != ""
	// Where Ollama was not asked, as on a login node, the newer generation is expected.
	old := info.Version != "" && ollama.Old(info.Version)
	wish.NoFlashAttention = batcher.NoFlashAttention(old, info.Metadata, architecture, gpus)
	p, err := batcher.Decide(c.Model, architecture, gpus, wish)
	if err != nil {
		return p, err
	}
	c.Wish = wish
	if c.Server.File != nil && info.Version != "" {
		if _, text := c.Server.File.For(info.Version); text != "" {
			p.Warnings = append(p.Warnings, text)
		}
	}
	if text := engineFault(architecture, info.Version); text != "" {
		p.Warnings = append(p.Warnings, text)
	}
	warning, err := c.checkMemory(p)
	if warning != "" {
		p.Warnings = append(p.Warnings, warning)
	}
	return p, err
}

func (c Config) architecture(info ollama.Info) modelcfg.Architecture {
	if len(info.Metadata) == 0 {
		return c.Model.Architecture
	}
	a, err := batcher.FromMetadata(info.Metadata, info.WeightsBytes, 0) // the projector's file is counted in the weights
	if err != nil {                                                     // a kind of model that is not known here: the YAML's numbers, or the rule of thumb, have to do
		a = modelcfg.Architecture{WeightsBytes: info.WeightsBytes, Family: info.Family}
	}
	a.Vision = a.Vision || info.Projector
	if info.Projector && info.Version != "" && ollama.Old(info.Version) {
		// The old generation runs such a model by its llama.cpp, which gives layers with a window the whole context.
		a.SlidingWindow = 0
	}
	if len(info.Capabilities) > 0 {
		// Ollama serves a model that writes no text, such as an embedder, with one slot.
		a.SingleSlot = a.SingleSlot || !slices.Contains(info.Capabilities, "completion")
		a.Vision = a.Vision || slices.Contains(info.Capabilities, "vision")
	}
	return a
}

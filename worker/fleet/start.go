package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
)

// startSharing starts the servers that share GPUs, one after the other: each has to find what those before it left. When
// one does not fit beside them, there is one server fewer; those that were to come after it would not fit either.
func (f *Fleet) startSharing(ctx context.Context, site []*Server, all int) error {
	for i, s := range site {
		err := f.startVerified(ctx, s)
		f.record(s, err)
		if offloaded, ok := errors.AsType[*OffloadError](err); ok {
			s.stop()
			for _, out := range site[i:] {
				out.leftOut = offloaded
				f.record(out, offloaded)
			}
			return nil
		}
		if err != nil && all > 1 {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sharing sorts the servers by the GPUs that they have in common.
func sharing(servers []*Server) [][]*Server {
	var sites [][]*Server
	at := make(map[string]int)
	for _, s := range servers {
		if len(s.plan.Devices) == 0 {
			sites = append(sites, []*Server{s})
			continue
		}
		first := s.plan.Devices[0].UUID // no GPU is in two groups
		if i, there := at[first]; there {
			sites[i] = append(sites[i], s)
			continue
		}
		at[first] = len(sites)
		sites = append(sites, []*Server{s})
	}
	return sites
}

// useRunning is a server that somebody else started. How it computes is its owner's business.
func (f *Fleet) useRunning(ctx context.Context, s *Server) error {
	var err error
	if s.client, err = ollama.NewClient(f.config.URL, batcher.InFlight(s.slots), f.config.Info.Runner(s.context, 0)); err != nil {
		return &outcome.ConfigError{Err: err}
	}
	if err := f.load(ctx, s); err != nil {
		return serverError(nil, f.config.URL, err)
	}
	return nil
}

// startVerified starts a server and proves that all of the model is where it belongs. One that spilled to the CPU is
// started again with fewer slots, until it fits.
func (f *Fleet) startVerified(ctx context.Context, s *Server) error {
	for {
		if err := f.start(ctx, s); err != nil {
			return err
		}
		s.begun()
		footprint, err := s.client.Loaded(ctx, f.config.Model)
		if err != nil {
			return serverError(s.process, "", err)
		}
		s.footprint, s.layers = footprint, s.process.Layers()
		if !f.offloaded(s) {
			return nil
		}
		if f.config.AllowCPULayers {
			f.log.Warn().Str("server", s.name).Msg("some of the model is on the CPU, as --allow-cpu-layers permits")
			return nil
		}
		if err := f.reduceSlots(s); err != nil {
			s.grown = f.grown(ctx, s) // while it is there
			return err
		}
		s.stop()
	}
}

// start launches a server, loads the model and gets a first answer.
func (f *Fleet) start(ctx context.Context, s *Server) error {
	f.log.Info().Str("server", s.name).Strs("command", f.config.Command).Int("slots", s.slots).Int("context", s.context).Msg("starting server")
	settings := ollama.Settings{
		Models: f.config.Models, File: f.config.File, Slots: s.slots, Context: s.context, Device: f.config.Device, LoadTimeout: f.config.LoadTimeout,
		KVCacheType: s.cache, Devices: uuids(s.plan.Devices), Isolate: f.config.Isolate,
	}
	var err error
	if s.process, err = ollama.Start(f.config.Command, settings, f.config.ScratchRoot, s.logPath); err != nil {
		return err
	}
	if err := s.process.IsolationRefused(); err != nil && s.recentRestarts() == 0 {
		f.log.Warn().Str("server", s.name).Err(err).Msg("the server is not isolated: other users of this node can reach its port")
	}
	bounded, cancel := loading(ctx, f.config.LoadTimeout)
	defer cancel()
	if err := s.process.WaitListening(bounded, f.config.Device); err != nil {
		return err
	}
	s.client = ollama.NewClientVia(s.process.Address(), s.process.Dial, batcher.InFlight(s.slots), f.config.Info.Runner(s.context, f.threads))
	if _, err := s.client.WaitAnswering(bounded); err != nil {
		return serverError(s.process, "", because(bounded, err))
	}
	if err := f.load(ctx, s); err != nil {
		return serverError(s.process, "", err)
	}
	return nil
}

// load brings the model into memory and proves that answers come.
func (f *Fleet) load(ctx context.Context, s *Server) error {
	ctx, cancel := loading(ctx, f.config.LoadTimeout)
	defer cancel()
	f.log.Info().Str("server", s.name).Str("model", f.config.Model).Str("ollama", f.config.Info.Version).
		Str("parameters", f.config.Info.Parameters).Str("quantization", f.config.Info.Quantization).Msg("loading model")
	err := s.client.Load(ctx, f.config.Model)
	if err == nil {
		err = s.client.Prove(ctx, f.config.Model)
	}
	if err != nil {
		return because(ctx, err)
	}
	f.log.Info().Str("server", s.name).Msg("server ready")
	return nil
}

// loading bounds one step of a start. A pull is outside of it: it takes what the network takes.
func loading(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %s (--load-timeout)", limit))
}

// because puts the reason why a context ended in front of the error that came of it.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

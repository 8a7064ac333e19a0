package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
)

// startSharing starts the servers that share GPUs, one after the other: each server must see the free memory that the servers
// before it left. A server that does not fit beside them is excluded, and all servers after it: they would not fit either.
// all is the number of servers of the plan.
func (f *Fleet) startSharing(ctx context.Context, group []*Server, all int) error {
	for i, s := range group {
		err := f.startVerified(ctx, s)
		f.record(s, err)
		if offloaded, ok := errors.AsType[*OffloadError](err); ok {
			s.stop()
			for _, excluded := range group[i:] {
				excluded.excluded = offloaded
				f.record(excluded, offloaded)
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

// sharing groups the servers by their GPUs.
func sharing(servers []*Server) [][]*Server {
	var groups [][]*Server
	at := make(map[string]int)
	for _, s := range servers {
		if len(s.plan.Devices) == 0 {
			groups = append(groups, []*Server{s})
			continue
		}
		first := s.plan.Devices[0].UUID // servers share all their GPUs or none
		if i, there := at[first]; there {
			groups[i] = append(groups[i], s)
			continue
		}
		at[first] = len(groups)
		groups = append(groups, []*Server{s})
	}
	return groups
}

// useRunning prepares a server that runs already. Its owner decides on its GPUs and its memory, so nothing is verified.
func (f *Fleet) useRunning(ctx context.Context, s *Server) error {
	var err error
	if s.client, err = f.api.running(s); err != nil {
		return &outcome.ConfigError{Err: err}
	}
	if err := f.load(ctx, s); err != nil {
		return serverError(nil, f.config.URL, err)
	}
	f.record(s, nil)
	return nil
}

// startVerified starts a server and verifies it. A server whose GPUs do not hold all of the model is started again with fewer
// slots, until they do. Errors: OffloadError where one slot is too much; those of ollama.
func (f *Fleet) startVerified(ctx context.Context, s *Server) error {
	for {
		held, err := f.startOnce(ctx, s)
		if err != nil || held {
			return err
		}
		if err := f.reduceSlots(s); err != nil {
			s.grown = f.grown(ctx, s) // before the server ends
			return err
		}
		s.stop()
	}
}

// startOnce starts a server. It returns false where the GPUs do not hold all of the model: the load failed for want of memory,
// or the server put a part of the model on the CPU, which the user did not allow.
func (f *Fleet) startOnce(ctx context.Context, s *Server) (held bool, err error) {
	s.footprint, s.layers = ollama.Footprint{}, nil
	if err := f.start(ctx, s); err != nil {
		s.stop() // its log is read to the end then
		if ctx.Err() == nil && f.config.GPULayers > 0 && s.process != nil && s.process.OutOfMemory() {
			return false, nil
		}
		return false, err
	}
	if s.footprint, err = s.client.Loaded(ctx, f.config.Model); err != nil {
		return false, serverError(s.process, "", err)
	}
	switch {
	case !f.offloaded(s):
		return true, nil
	case f.config.AllowCPULayers:
		f.log.Warn().Str("server", s.name).Msg("some of the model is on the CPU, as --allow-cpu-layers permits")
		return true, nil
	}
	return false, nil
}

// start launches a server, loads the model and gets a first answer.
func (f *Fleet) start(ctx context.Context, s *Server) error {
	command, settings, err := f.api.command(s)
	if err != nil {
		return err
	}
	line := f.log.Info().Str("server", s.name).Strs("command", command).Int("slots", s.slots)
	if s.context > 0 {
		line.Int("context", s.context)
	}
	line.Msg("starting server")
	bounded, cancel := loading(ctx, f.config.LoadTimeout)
	defer cancel()
	if s.process, err = listening(bounded, command, settings, f.config.ScratchRoot, s.logPath, f.log.With().Str("server", s.name).Logger()); err != nil {
		return err
	}
	if settings.Isolate == ollama.IsolateAuto && !s.process.Isolated() && s.process.IsolationRefused() == nil {
		f.unisolated.Store(true)
	}
	if err := s.process.IsolationRefused(); err != nil && s.recentRestarts() == 0 {
		f.log.Warn().Str("server", s.name).Err(err).Msg("the server is not isolated: other users of this node can reach its port")
	}
	if s.client, err = f.api.started(s); err != nil {
		return serverError(s.process, "", err)
	}
	living, end := bound(ctx, s.process)
	defer end()
	if err := f.load(living, s); err != nil {
		return serverError(s.process, "", endOf(ctx, living, err))
	}
	return nil
}

// isolation returns the isolation of the next server: none after a server that started without namespaces alone.
func (f *Fleet) isolation() ollama.Isolation {
	if f.unisolated.Load() {
		return ollama.IsolateNever
	}
	return f.config.Isolate
}

// load waits until the server answers, loads the model, and asks for a first answer.
func (f *Fleet) load(ctx context.Context, s *Server) error {
	ctx, cancel := loading(ctx, f.config.LoadTimeout)
	defer cancel()
	_, err := s.client.WaitAnswering(ctx)
	if err == nil {
		if info := f.config.Info; info.Version != "" { // another server than Ollama has loaded its model when it answers
			f.log.Info().Str("server", s.name).Str("model", f.config.Model).Str("ollama", info.Version).
				Str("parameters", info.Parameters).Str("quantization", info.Quantization).Msg("loading model")
		}
		err = s.client.Load(ctx, f.config.Model)
	}
	if err == nil {
		err = s.client.Verify(ctx, f.config.Model)
	}
	if err != nil {
		return withCause(ctx, err)
	}
	f.api.ready(s)
	f.log.Info().Str("server", s.name).Msg("server ready")
	return nil
}

// loading returns a context that bounds one step of a start. A pull has no such bound: its time depends on the network.
func loading(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %s (--load-timeout)", limit))
}

// bound returns a context that ends with the server, too; with ctx alone where a server runs already and is nil here.
func bound(ctx context.Context, server *ollama.Server) (context.Context, context.CancelFunc) {
	if server == nil {
		return context.WithCancel(ctx)
	}
	return server.Bound(ctx)
}

// endingFor is how long a server may take to end after it has cut off a request.
const endingFor = 2 * time.Second

// endOf returns the end of the server in place of the error of a request that the end cut off.
func endOf(ctx, bounded context.Context, err error) error {
	if unanswered := (*url.Error)(nil); errors.As(err, &unanswered) {
		select {
		case <-bounded.Done():
		case <-time.After(endingFor):
		}
	}
	if ctx.Err() == nil && bounded.Err() != nil {
		return context.Cause(bounded)
	}
	return err
}

// withCause puts the cause of an ended context in front of the error that followed from it.
func withCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

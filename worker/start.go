package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/ollama"
)

// startAll brings every server of the plan to the point where answers come. One that does not start ends the run: the
// job got its GPUs to use them all. What was started is returned with an error, too, and is to be stopped.
func (r *run) startAll(ctx context.Context, plan batcher.Plan) ([]*member, error) {
	if r.Server.URL != "" {
		m, err := r.useRunning(ctx, plan)
		r.manifest.Plan = r.planned(plan, []*member{m})
		return []*member{m}, err
	}
	before := r.usedMemory(ctx)
	members := make([]*member, len(plan.Servers))
	g, gctx := errgroup.WithContext(ctx)
	for i, s := range plan.Servers {
		members[i] = &member{name: serverName(i, s), plan: s, slots: s.Slots, context: plan.Context, cache: plan.KVCacheType, logPath: r.paths.In(serverLog(i))}
		g.Go(func() error {
			err := r.startFitting(gctx, members[i])
			if err != nil && len(members) > 1 {
				err = fmt.Errorf("%s: %w", members[i].name, err)
			}
			return err
		})
	}
	err := g.Wait()
	r.manifest.Plan = r.planned(plan, members)
	r.measure(ctx, before, members)
	return members, err
}

// serverLog is the name of a server's log in the run folder. Almost every run has one server.
func serverLog(i int) string {
	if i == 0 {
		return "server.log"
	}
	return fmt.Sprintf("server-%d.log", i+1)
}

func serverName(i int, s batcher.Server) string {
	name := fmt.Sprintf("server %d", i+1)
	for n, d := range s.Devices {
		if n == 0 {
			name += " on "
		} else {
			name += " and "
		}
		name += d.UUID
	}
	return name
}

// useRunning is a server that somebody else started. How it computes is its owner's business.
func (r *run) useRunning(ctx context.Context, plan batcher.Plan) (*member, error) {
	m := &member{name: redacted(r.Server.URL), slots: plan.Slots, context: plan.Context}
	var err error
	if m.client, err = ollama.NewClient(r.Server.URL, inFlight(m.slots), m.context); err != nil {
		return m, &ConfigError{Err: err}
	}
	if err := r.load(ctx, m); err != nil {
		return m, serverError(nil, r.Server.URL, err)
	}
	return m, nil
}

// startFitting starts a server and proves that all of the model is where it belongs. One that spilled to the CPU is
// started again with fewer slots, until it fits.
func (r *run) startFitting(ctx context.Context, m *member) error {
	for {
		if err := r.start(ctx, m); err != nil {
			return err
		}
		m.begun()
		footprint, err := m.client.Loaded(ctx, r.Defaults.Model)
		if err != nil {
			return serverError(m.server, "", err)
		}
		m.footprint, m.layers = footprint, m.server.Layers()
		if !r.spilled(m) {
			return r.gauge(ctx, m)
		}
		if r.Wish.AllowCPULayers {
			r.log.Warn().Str("server", m.name).Msg("some of the model is on the CPU, as --allow-cpu-layers permits")
			return r.gauge(ctx, m)
		}
		if err := r.shrink(m); err != nil {
			return err
		}
		m.stop()
	}
}

// start launches a server, loads the model and gets a first answer.
func (r *run) start(ctx context.Context, m *member) error {
	r.log.Info().Str("server", m.name).Strs("command", r.Server.Command).Int("slots", m.slots).Int("context", m.context).Msg("starting server")
	settings := ollama.Settings{
		Models: r.Server.Models, Slots: m.slots, Context: m.context, Device: r.Server.Device, LoadTimeout: r.Server.LoadTimeout,
		KVCacheType: m.cache, Devices: uuids(m.plan.Devices), Isolate: r.Server.Isolate,
	}
	var err error
	if m.server, err = ollama.Start(r.Server.Command, settings, r.Server.ScratchRoot, m.logPath); err != nil {
		return err
	}
	if err := m.server.IsolationRefused(); err != nil && len(m.restarts) == 0 {
		r.log.Warn().Str("server", m.name).Err(err).Msg("the server is not isolated: other users of this node can reach its port")
	}
	bounded, cancel := loading(ctx, r.Server.LoadTimeout)
	defer cancel()
	if err := m.server.WaitListening(bounded, r.Server.Device); err != nil {
		return err
	}
	m.client = ollama.NewClientVia(m.server, inFlight(m.slots), m.context)
	if _, err := m.client.WaitAnswering(bounded); err != nil {
		return serverError(m.server, "", because(bounded, err))
	}
	if err := r.load(ctx, m); err != nil {
		return serverError(m.server, "", err)
	}
	return nil
}

// load brings the model into memory and proves that answers come.
func (r *run) load(ctx context.Context, m *member) error {
	ctx, cancel := loading(ctx, r.Server.LoadTimeout)
	defer cancel()
	r.log.Info().Str("server", m.name).Str("model", r.Defaults.Model).Str("ollama", r.manifest.Server.Version).
		Str("parameters", r.manifest.Server.Parameters).Str("quantization", r.manifest.Server.Quantization).Msg("loading model")
	err := m.client.Load(ctx, r.Defaults.Model)
	if err == nil {
		err = m.client.Prove(ctx, r.Defaults.Model)
	}
	if err != nil {
		return because(ctx, err)
	}
	r.log.Info().Str("server", m.name).Msg("server ready")
	return nil
}

func uuids(devices []gpu.Device) []string {
	list := make([]string, len(devices))
	for i, d := range devices {
		list[i] = d.UUID
	}
	return list
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

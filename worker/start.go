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

// startAll brings every server of the plan to the point where answers come, and returns those that serve. One that does
// not start ends the run: the job got its GPUs to use them all. One whose GPUs do not hold the model, however little it is
// given, is left out where another one serves. What was started is for the caller to stop, with an error, too.
func (r *run) startAll(ctx context.Context, members []*member) (serving []*member, err error) {
	if r.Server.URL != "" {
		err = r.useRunning(ctx, members[0])
	} else {
		r.usedBefore = r.usedMemory(ctx)
		g, gctx := errgroup.WithContext(ctx)
		for _, site := range sharing(members) {
			g.Go(func() error { return r.startSharing(gctx, site) })
		}
		err = g.Wait()
	}
	if err == nil {
		serving, err = r.leaveOut(members)
	}
	r.measure(ctx, members)
	if err != nil && ctx.Err() == nil {
		r.startFailed(err)
	}
	if err != nil {
		return nil, err
	}
	r.servers = len(serving)
	return serving, nil
}

// startSharing starts the servers that share GPUs, one after the other: each has to find what those before it left. When
// one does not fit beside them, there is one server fewer; those that were to come after it would not fit either.
func (r *run) startSharing(ctx context.Context, site []*member) error {
	for i, m := range site {
		err := r.startFitting(ctx, m)
		r.note(m, err)
		var spill *SpillError
		switch {
		case errors.As(err, &spill):
			m.stop()
			for _, out := range site[i:] {
				out.leftOut = spill
				r.note(out, spill)
			}
			return nil
		case err != nil && len(r.manifest.Plan.Servers) > 1:
			return fmt.Errorf("%s: %w", m.name, err)
		case err != nil:
			return err
		}
	}
	return nil
}

// leaveOut tells of the servers that do not hold the model, and returns the others. It is an error only when none is left.
func (r *run) leaveOut(members []*member) ([]*member, error) {
	var serving []*member
	for _, m := range members {
		if m.leftOut == nil {
			serving = append(serving, m)
		}
	}
	if len(serving) == 0 {
		return nil, members[0].leftOut
	}
	for _, m := range members {
		if m.leftOut != nil {
			r.log.Error().Str("server", m.name).Int("servers_left", len(serving)).Err(m.leftOut).
				Msg("a GPU does not hold what was planned for it; the run goes on without this server")
		}
	}
	return serving, nil
}

// sharing sorts the servers by the GPUs that they have in common.
func sharing(members []*member) [][]*member {
	var sites [][]*member
	at := make(map[string]int)
	for _, m := range members {
		if len(m.plan.Devices) == 0 {
			sites = append(sites, []*member{m})
			continue
		}
		first := m.plan.Devices[0].UUID // no GPU is in two groups
		if i, there := at[first]; there {
			sites[i] = append(sites[i], m)
			continue
		}
		at[first] = len(sites)
		sites = append(sites, []*member{m})
	}
	return sites
}

// members are the servers of a plan, none of them started.
func (r *run) members(p batcher.Plan) []*member {
	if r.Server.URL != "" {
		return []*member{{name: redacted(r.Server.URL), slots: p.Slots, context: p.Context}}
	}
	members := make([]*member, len(p.Servers))
	for i, s := range p.Servers {
		members[i] = &member{
			number: i, name: serverName(i, s), plan: s, slots: s.Slots, context: p.Context, cache: p.KVCacheType, logPath: r.paths.In(serverLog(i)),
		}
	}
	return members
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
func (r *run) useRunning(ctx context.Context, m *member) error {
	var err error
	if m.client, err = ollama.NewClient(r.Server.URL, inFlight(m.slots), r.manifest.Server.Runner(m.context, 0)); err != nil {
		return &ConfigError{Err: err}
	}
	if err := r.load(ctx, m); err != nil {
		return serverError(nil, r.Server.URL, err)
	}
	return nil
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
			return nil
		}
		if r.Wish.AllowCPULayers {
			r.log.Warn().Str("server", m.name).Msg("some of the model is on the CPU, as --allow-cpu-layers permits")
			return nil
		}
		if err := r.shrink(m); err != nil {
			m.grown = r.grown(ctx, m) // while it is there
			return err
		}
		m.stop()
	}
}

// start launches a server, loads the model and gets a first answer.
func (r *run) start(ctx context.Context, m *member) error {
	r.log.Info().Str("server", m.name).Strs("command", r.Server.Command).Int("slots", m.slots).Int("context", m.context).Msg("starting server")
	settings := ollama.Settings{
		Models: r.Server.Models, File: r.Server.File, Slots: m.slots, Context: m.context, Device: r.Server.Device, LoadTimeout: r.Server.LoadTimeout,
		KVCacheType: m.cache, Devices: uuids(m.plan.Devices), Isolate: r.Server.Isolate,
	}
	var err error
	if m.server, err = ollama.Start(r.Server.Command, settings, r.Server.ScratchRoot, m.logPath); err != nil {
		return err
	}
	if err := m.server.IsolationRefused(); err != nil && m.recentRestarts() == 0 {
		r.log.Warn().Str("server", m.name).Err(err).Msg("the server is not isolated: other users of this node can reach its port")
	}
	bounded, cancel := loading(ctx, r.Server.LoadTimeout)
	defer cancel()
	if err := m.server.WaitListening(bounded, r.Server.Device); err != nil {
		return err
	}
	m.client = ollama.NewClientVia(m.server.Address(), m.server.Dial, inFlight(m.slots), r.manifest.Server.Runner(m.context, r.manifest.Plan.Threads))
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

package worker

import (
	"context"
	"errors"

	"fluxworker/batcher"
	"fluxworker/worker/slurm"
)

// planned begins the manifest's account of how the model is served, with what is planned.
func (r *run) planned(p batcher.Plan, members []*member) {
	out := plan{Context: p.Context, Cache: p.KVCacheType, URL: redacted(r.Server.URL), Servers: make([]plannedServer, len(members))}
	if r.Server.URL == "" {
		out.Device, out.Command = r.Server.Device, r.Server.Command
		out.Threads = threads(r.Place.Job, len(members), slurm.Cores(slurm.NodeCPUs), r.manifest.Server)
	}
	if r.Server.File != nil {
		out.GGUF = r.Server.File.Path
	}
	r.manifest.Plan = out
	for _, m := range members {
		r.note(m, nil)
	}
}

// note brings the manifest's account of a server up to date after its start, which ended with err. It tells whether the
// server serves in another way than before.
func (r *run) note(m *member, err error) (changed bool) {
	r.manifestMu.Lock()
	defer r.manifestMu.Unlock()
	s := &r.manifest.Plan.Servers[m.number]
	before := *s
	*s = plannedServer{
		GPUs: uuids(m.plan.Devices), Slots: m.slots, Context: m.context, Terms: m.plan.Terms, Bytes: m.plan.Bytes,
		MeasuredBytes: m.grown, Loaded: m.footprint, Layers: m.layers, Isolated: m.server != nil && m.server.Isolated(),
	}
	var spill *SpillError
	if errors.As(err, &spill) {
		s.LeftOut = spill.Error()
	}
	return s.Slots != before.Slots || s.Context != before.Context || s.LeftOut != before.LeftOut
}

// writeManifest writes it as it is now.
func (r *run) writeManifest() error {
	r.manifestMu.Lock()
	defer r.manifestMu.Unlock()
	p := &r.manifest.Plan
	p.Slots, p.InFlight = 0, 0
	for _, s := range p.Servers {
		if s.LeftOut == "" {
			p.Slots += s.Slots
			p.InFlight += inFlight(s.Slots)
		}
	}
	return r.paths.WriteJSON("manifest.json", r.manifest)
}

// startFailed writes the manifest of a run whose servers did not start: what was predicted and what was measured is what
// a user then needs. That this fails, too, is only told, since the start's error is the cause.
func (r *run) startFailed(cause error) {
	r.manifest.Failure = shortly(cause).Error()
	if err := r.writeManifest(); err != nil {
		r.log.Warn().Err(err).Msg("the manifest of the failed start is not written")
	}
}

// startedAgain measures a server that was started again and writes the manifest where it serves in another way now.
func (r *run) startedAgain(ctx context.Context, m *member, err error) {
	if err == nil {
		m.grown = r.grown(ctx, m)
	}
	if !r.note(m, err) {
		return
	}
	if err := r.writeManifest(); err != nil {
		r.log.Warn().Err(err).Msg("the manifest does not tell how the server was started again")
	}
}

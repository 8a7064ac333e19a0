package worker

import (
	"context"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// serve waits for the first pending row, starts the servers for it where they do not stand already, and keeps their slots
// full until no row is left.
func (r *run) serve(intake, requests context.Context) error {
	first, ok := r.next(intake)
	servers := r.early
	if servers == nil {
		if !ok {
			return nil
		}
		servers = r.raise(intake)
	}
	defer func() { r.gpuUse = servers.lower() }()
	if !ok {
		return nil
	}
	serving, err := servers.wait(intake)
	if err != nil {
		if intake.Err() != nil {
			return nil // a signal during the start, or the input is lost; the row stays undone
		}
		return err
	}
	if err := r.writeManifest(); err != nil {
		return err
	}
	r.counts.startClock()
	defer r.counts.stopClock()
	return r.fanOut(intake, requests, serving, first)
}

// prepare plans the servers.
func (r *run) prepare(ctx context.Context) ([]*member, error) {
	if r.Server.URL == "" && r.Server.Device != ollama.DeviceCPU {
		var err error
		if r.gpus, err = AllocatedGPUs(ctx, r.log); err != nil {
			return nil, err
		}
	}
	info, err := r.Look(ctx, r.log, r.paths.In(serverLog(0)))
	if err != nil {
		return nil, err
	}
	if err := r.sameModel(ctx, info); err != nil {
		return nil, err
	}
	r.manifest.Server = info
	plan, err := r.Plan(info, r.gpus)
	if err != nil {
		return nil, err
	}
	for _, w := range plan.Warnings {
		r.log.Warn().Msg(w)
	}
	members := r.members(plan)
	r.planned(plan, members)
	return members, nil
}

// next takes a pending row unless intake is over.
func (r *run) next(intake context.Context) (prompt.Row, bool) {
	if intake.Err() != nil {
		return prompt.Row{}, false // select would choose by chance
	}
	select {
	case row, ok := <-r.pending:
		return row, ok
	case <-intake.Done():
		return prompt.Row{}, false
	}
}

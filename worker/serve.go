package worker

import (
	"context"
	"errors"
	"sync"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// serve waits for the first pending row, starts the servers for it where they do not stand already, and keeps their slots
// full until no row is left.
func (r *run) serve(intake, requests context.Context) error {
	first, ok := r.next(intake)
	if !ok {
		return nil
	}
	if err := r.prepare(intake); err != nil {
		return unlessOver(intake, err)
	}
	stopWatching := r.watchGPUs()
	defer func() { r.gpuUse = stopWatching() }()
	if err := r.pass(intake, requests, first); err != nil {
		return err
	}
	return r.laterPasses(intake, requests)
}

// unheldError is that the servers of a pass do not hold the model with a context that is long enough for its rows. None of
// these was asked then. A server that is lost for the same reason later on is another matter: some of the rows have lines.
type unheldError struct{ *SpillError }

func (e *unheldError) Unwrap() error { return e.SpillError }

// pass serves the pending rows with servers that are started for them. An *unheldError comes before any row is asked.
func (r *run) pass(intake, requests context.Context, first prompt.Row) error {
	planned, serving, err := r.startPlanned(intake)
	defer stopAll(planned)
	if spill, ok := errors.AsType[*SpillError](err); ok {
		err = &unheldError{spill}
	}
	if err != nil {
		return unlessOver(intake, err)
	}
	return r.askPending(intake, requests, serving, first)
}

// askPending has the servers answer the pending rows.
func (r *run) askPending(intake, requests context.Context, serving []*member, first prompt.Row) error {
	if err := r.writeManifest(); err != nil {
		return err
	}
	r.counts.startClock()
	defer r.counts.stopClock()
	return r.fanOut(intake, requests, serving, first)
}

// startPlanned plans the servers and starts them. Where the model turns out not to fit with a context that was chosen, a
// shorter one is. What was started is for the caller to stop, with an error, too.
func (r *run) startPlanned(intake context.Context) (planned, serving []*member, err error) {
	for {
		plan, err := r.plan(intake)
		if err != nil {
			return nil, nil, err
		}
		for _, w := range plan.Warnings {
			r.log.Warn().Msg(w)
		}
		planned = r.members(plan)
		r.crew.Store(&planned)
		r.planned(plan, planned)
		if serving, err = r.startAll(intake, planned); err == nil || !r.shorten(err) {
			return planned, serving, err
		}
		stopAll(planned)
	}
}

// stopAll ends servers at once: one that ignores TERM takes seconds.
func stopAll(members []*member) {
	var stopping sync.WaitGroup
	for _, m := range members {
		stopping.Go(m.stop)
	}
	stopping.Wait()
}

// unlessOver leaves out an error during the start when intake is over: a signal came, or the input is lost, and the rows
// stay undone.
func unlessOver(intake context.Context, err error) error {
	if intake.Err() != nil {
		return nil
	}
	return err
}

// prepare learns what the plans are made of.
func (r *run) prepare(ctx context.Context) error {
	if r.Server.URL == "" && r.Server.Device != ollama.DeviceCPU {
		var err error
		if r.gpus, err = AllocatedGPUs(ctx, r.log); err != nil {
			return err
		}
	}
	info, err := r.Look(ctx, r.log, r.paths.In(serverLog(0)))
	if err != nil {
		return err
	}
	if err := r.sameModel(info); err != nil {
		return err
	}
	r.manifest.Server = info
	if r.Server.File != nil {
		r.Server.File, _ = r.Server.File.For(info.Version) // what there is to say of it is among the plan's warnings
	}
	return nil
}

// plan plans the servers, with the context that the user wants or the one that suits the rows.
func (r *run) plan(ctx context.Context) (batcher.Plan, error) {
	if r.fit == nil {
		return r.Plan(r.manifest.Server, r.gpus)
	}
	return r.planFit(ctx)
}

// next takes a pending row unless intake is over.
func (r *run) next(intake context.Context) (prompt.Row, bool) {
	if intake.Err() != nil {
		return prompt.Row{}, false // select would choose by chance
	}
	select {
	case row, ok := <-r.pending.rows:
		r.pending.taken(&row)
		return row, ok
	case <-intake.Done():
		return prompt.Row{}, false
	}
}

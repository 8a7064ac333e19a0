package worker

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/contextfit"
	"fluxworker/worker/dispatch"
	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
	"fluxworker/worker/plan"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
)

// passes is the state of a run after the model was inspected.
type passes struct {
	run    *run
	info   ollama.Info
	gpus   []gpu.Device // nil on the CPU and with a server that runs already
	fleet  *fleet.Fleet
	staged bool // the model's files were read ahead, or are not to be
}

// serve waits for the first row, and then runs the first pass and the later passes, for rows that need a longer context.
func (r *run) serve(intake, requests context.Context, queue *dispatch.Queue) error {
	if !queue.WaitFirst(intake) {
		return nil
	}
	p, err := r.prepare(intake)
	if err != nil {
		return unlessOver(intake, err)
	}
	if r.fit != nil {
		defer r.fit.Close()
	}
	watch := p.fleet.WatchGPUs()
	defer watch.Stop()
	r.observer.gpus.Store(watch)
	if err := p.pass(intake, requests, queue); err != nil {
		return err
	}
	return p.laterPasses(intake, requests)
}

// inspector returns the Inspector of the run. Its server ends before the first server of the fleet starts, so the two share a
// log.
func (r *run) inspector() fleet.Inspector {
	return r.config.Inspector(r.log, r.paths.In(fleet.LogName(0)))
}

// prepare queries the GPUs, inspects the model, and makes the fleet. Errors: plan.GPUError; those of Inspect; ConfigError for
// a model that changed.
func (r *run) prepare(ctx context.Context) (*passes, error) {
	p := &passes{run: r}
	var err error
	if r.config.Server.URL == "" && r.config.Server.Device != ollama.DeviceCPU {
		if p.gpus, err = plan.AllocatedGPUs(ctx, r.log); err != nil {
			return nil, err
		}
	}
	if p.info, err = r.inspector().Inspect(ctx); err != nil {
		return nil, err
	}
	if err := r.earlier.SameModel(p.info); err != nil {
		return nil, err
	}
	r.recorder.Model(p.info)
	servers := r.config.fleet(p.info, p.gpus, r.paths)
	servers.OnRestart = func(server string) { r.observer.note(record.EventRestart, server) }
	p.fleet = fleet.New(servers, r.recorder, r.log)
	return p, nil
}

// startOffloadError means that the GPUs did not hold the model at the start of a pass, before any row was asked. A server that
// is lost with an OffloadError later gives no startOffloadError: some rows have lines then.
type startOffloadError struct{ *fleet.OffloadError }

func (e *startOffloadError) Unwrap() error { return e.OffloadError }

// pass starts servers for the rows of a queue, sends the rows, and stops the servers. Errors: startOffloadError before any row
// is asked; those of plan, fleet and dispatch.
func (p *passes) pass(intake, requests context.Context, queue *dispatch.Queue) error {
	defer p.fleet.Stop()
	serving, err := p.start(intake)
	if offloaded, ok := errors.AsType[*fleet.OffloadError](err); ok {
		err = &startOffloadError{offloaded}
	}
	if err != nil {
		return unlessOver(intake, err)
	}
	if err := p.run.recorder.Write(); err != nil {
		return err
	}
	p.run.counters.StartClock()
	defer p.run.counters.StopClock()
	servers := make([]dispatch.Server, len(serving))
	for i, s := range serving {
		servers[i] = s
	}
	p.run.observer.noteServing(serving)
	return p.run.rows.Run(intake, requests, queue, servers, func(ctx context.Context, i int, lane *dispatch.Lane) (gone, err error) {
		return p.fleet.Supervise(ctx, intake, serving[i], lane, lane.Serve)
	})
}

// start plans the servers and starts them. If the GPUs do not hold the model with a context that was chosen by the rows, it
// tries shorter contexts.
func (p *passes) start(intake context.Context) ([]*fleet.Server, error) {
	for {
		planned, err := p.plan(intake)
		if err != nil {
			return nil, err
		}
		for _, w := range planned.Warnings {
			p.run.log.Warn().Msg(w)
		}
		if p.stage(intake, planned.Host); intake.Err() != nil {
			return nil, context.Cause(intake)
		}
		serving, err := p.fleet.Start(intake, planned, p.run.config.threads(len(planned.Servers), p.info))
		if _, offloaded := errors.AsType[*fleet.OffloadError](err); !offloaded || p.run.fit == nil || !p.run.fit.Shorten() {
			return serving, err
		}
		p.fleet.Stop()
	}
}

// plan plans the servers, with the user's context or the context that suits the rows.
func (p *passes) plan(ctx context.Context) (batcher.Plan, error) {
	if c := p.run.config; c.Server.OpenAI != nil {
		return plan.OpenAI(c.Server.OpenAI.Servers, c.Request.Slots, p.gpus)
	}
	if p.run.fit == nil {
		return p.run.planner().Plan(p.info, p.gpus)
	}
	return p.run.fit.Plan(ctx, p.info, p.gpus, p.run.earlier.IsNew)
}

// laterPasses runs a pass for the deferred rows until no row is deferred.
func (p *passes) laterPasses(intake, requests context.Context) error {
	if p.run.fit == nil {
		return nil
	}
	for intake.Err() == nil && requests.Err() == nil && p.run.counters.AllRead() && !p.run.rows.GaveUp() {
		rows := p.run.fit.NextPass()
		if rows == nil {
			return nil
		}
		p.dropLostGPUs(intake)
		p.run.observer.note(record.EventPass, "rows that need a longer context")
		err := p.laterPass(intake, requests, rows)
		if _, offloaded := errors.AsType[*startOffloadError](err); offloaded && p.run.fit.IsBeyondServed() {
			p.run.fit.FellBack(rows)
			err = p.laterPass(intake, requests, rows)
		}
		rows.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// laterPass runs a pass for rows that were deferred.
func (p *passes) laterPass(intake, requests context.Context, rows *contextfit.Deferred) error {
	g, requests := errgroup.WithContext(requests)
	feed, stop := context.WithCancel(intake)
	defer stop()
	queue := dispatch.NewQueue(p.run.config.Order)
	g.Go(func() error {
		defer queue.Close()
		err := p.run.fit.Each(feed, rows, func(row prompt.Row) error {
			if !queue.Push(feed, row) {
				return errFeedEnded
			}
			return nil
		}, func(row prompt.Row) error { return p.run.sink.Reject(row, true) })
		if errors.Is(err, errFeedEnded) {
			return nil // rows in flight go on
		}
		return err
	})
	g.Go(func() error {
		defer stop()
		if !queue.WaitFirst(intake) {
			return nil
		}
		return p.pass(intake, requests, queue)
	})
	return g.Wait()
}

// errFeedEnded ends the reading of deferred rows when the queue takes no further row.
var errFeedEnded = errors.New("the queue takes no further row")

// dropLostGPUs removes the GPUs that are gone since the first pass from later plans.
func (p *passes) dropLostGPUs(ctx context.Context) {
	if len(p.gpus) == 0 {
		return
	}
	if now, err := plan.AllocatedGPUs(ctx, p.run.log); err == nil { // otherwise the start of the servers fails
		p.gpus = p.fleet.KeepGPUs(now)
	}
}

// unlessOver returns the error of a start, but nil if intake has ended: a signal came, or the input is lost, and the rows stay
// undone.
func unlessOver(intake context.Context, err error) error {
	if intake.Err() != nil {
		return nil
	}
	return err
}

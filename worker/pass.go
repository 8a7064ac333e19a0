package worker

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
	"fluxworker/worker/tokens"
)

// unknownRows is how many rows an input is taken to have of which only the first are known.
const unknownRows = 1000

// newFit is nil where the user, or the owner of the server, decides on the context.
func (r *run) newFit() *fit {
	if !r.FitContext || r.Server.URL != "" {
		return nil
	}
	return &fit{number: 1, estimate: tokens.NewEstimator(), waiting: r.newWaiting()}
}

func (r *run) newWaiting() *waiting {
	if isFile(r.Input) {
		return newWaiting("")
	}
	return newWaiting(r.paths.Run)
}

// planFit plans the servers of a pass. What the rows take is known from a look at the input before the first pass, and
// before a later one from all of its rows.
func (r *run) planFit(ctx context.Context) (batcher.Plan, error) {
	f := r.fit
	choose := fitter{Config: r.Config, info: r.manifest.Server, gpus: r.gpus}
	if f.limit == 0 {
		f.limit, f.because = choose.limit()
		f.counts = !ollama.Old(r.manifest.Server.Version)
	}
	demand, least := f.demand, f.served+1
	if f.number == 1 {
		if !f.begun.Load() {
			r.lookAtInput(ctx)
		}
		demand, least = f.sample.Demand(f.estimate), r.Wish.MinContext
	}
	if f.number > 2 { // estimates have failed, and each pass costs a restart
		least = f.limit
	}
	p, err := choose.choose(demand, least, f.limit)
	if err != nil {
		return p, err
	}
	f.context, f.limit = p.Context, max(f.limit, p.Context) // more, where layers may go to the CPU
	r.manifest.Fitting = append(r.manifest.Fitting, fitting(&p, demand, f.estimate, f.limit, f.because))
	r.log.Info().Int("context", p.Context).Int("slots", p.Slots).Int("longest_context", f.limit).
		Msg("the context is chosen: " + r.manifest.Fitting[len(r.manifest.Fitting)-1].String())
	return p, nil
}

// lookAtInput takes a sample of the rows that are to be asked, and has the model's vocabulary scale the estimate. Of an input
// that cannot be looked at it is the rows that were read meanwhile.
func (r *run) lookAtInput(ctx context.Context) {
	f := r.fit
	f.begun.Store(true)
	s := sampler{Config: r.Config, isNew: func(k prompt.Key) bool { return r.done.State(k) == result.New }, into: &f.sample}
	s.file(ctx)
	if f.sample.Rows() == 0 { // else these rows would count twice
		stands := 1.0
		if !r.counts.allRead.Load() {
			stands = unknownRows / parsedAhead
		}
		f.sample.Merge(&f.ahead, stands)
	}
	f.sample.Scale(tokens.FromMetadata(r.manifest.Server.Metadata), f.estimate)
}

// shorten tells whether servers that do not hold the model with a context that was chosen are to be tried with a shorter one.
func (r *run) shorten(err error) bool {
	var spill *SpillError
	f := r.fit
	if f == nil || !errors.As(err, &spill) {
		return false
	}
	shorter := f.context * 3 / 4 / 256 * 256
	goesOn := shorter >= max(leastContext, r.Wish.MinContext, f.served+1)
	f.limit, f.because = shorter, "the memory allows"
	if !goesOn {
		f.limit = f.served
	}
	if goesOn || f.served > 0 && f.context > f.served {
		r.manifest.Failure = "" // it is not why no server answers
	}
	if !goesOn {
		return false
	}
	r.log.Warn().Int("context_was", f.context).Int("longest_context", f.limit).Msg("the GPUs do not hold the model with this context; trying a shorter one")
	return true
}

// laterPasses answers the rows that need a longer context than those before them.
func (r *run) laterPasses(intake, requests context.Context) error {
	f := r.fit
	if f == nil {
		return nil
	}
	defer func() { f.waiting.close() }()
	for intake.Err() == nil && requests.Err() == nil && r.counts.allRead.Load() && !r.broken.tripped() && f.waiting.demand.Rows() > 0 {
		now := f.waiting
		f.demand, f.waiting = &now.demand, r.newWaiting()
		f.served = max(f.served, f.context)
		f.number++
		r.log.Info().Int64("rows", now.demand.Rows()).Int("tokens", now.demand.Most()).Msg("rows that need a longer context are next; the servers are started again for them")
		r.leaveOutLostGPUs(intake)
		err := r.laterPass(intake, requests, now)
		if _, unheld := errors.AsType[*unheldError](err); unheld && f.context > f.served {
			// Some were put off by an estimate alone, and may fit the longest context that servers had: they tell.
			r.log.Warn().Int64("rows", now.demand.Rows()).Int("context", f.served).Msg("the GPUs hold no longer context; the rows that seemed to need one are asked with that of the servers before")
			err = r.laterPass(intake, requests, now)
		}
		now.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// laterPass serves the rows of an earlier one that waited.
func (r *run) laterPass(intake, requests context.Context, rows *waiting) error {
	g, requests := errgroup.WithContext(requests)
	feed, stop := context.WithCancel(intake)
	defer stop()
	pending := newAhead()
	r.pending = pending
	g.Go(func() error {
		defer close(pending.rows)
		err := r.eachWaiting(feed, rows, func(row prompt.Row) error {
			if !pending.put(feed, row) {
				return errFed
			}
			return nil
		})
		if errors.Is(err, errFed) {
			return nil // those in flight go on
		}
		return err
	})
	g.Go(func() error {
		defer stop()
		first, ok := r.next(intake)
		if !ok {
			return nil
		}
		return r.pass(intake, requests, first)
	})
	return g.Wait()
}

// errFed ends the reading of rows that nobody takes any more.
var errFed = errors.New("no row is taken any more")

// leaveOutLostGPUs takes out those that have gone since the first pass. What was free on the others is what it was then: the
// run's own servers have ended.
func (r *run) leaveOutLostGPUs(ctx context.Context) {
	if len(r.gpus) == 0 {
		return
	}
	now, err := AllocatedGPUs(ctx, r.log)
	if err != nil {
		return // the start of the servers finds out
	}
	there := make(map[string]bool)
	for _, d := range now {
		there[d.UUID] = true
	}
	var left []gpu.Device
	for _, d := range r.gpus {
		if there[d.UUID] {
			left = append(left, d)
		}
	}
	r.gpus = left
}

package contextfit

import (
	"context"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/input"
	"fluxworker/worker/ollama"
	"fluxworker/worker/plan"
	"fluxworker/worker/prompt"
	"fluxworker/worker/tokens"
)

// unknownRows is how many rows an input is taken to have of which only the first are known.
const unknownRows = 1000

// Plan plans the servers of a pass. What the rows take is known from a sample of the input before the first pass, and before
// a later pass from all of its rows. isNew reports whether a row is to be asked.
func (f *Fit) Plan(ctx context.Context, info ollama.Info, gpus []gpu.Device, isNew func(prompt.Key) bool) (batcher.Plan, error) {
	choose := plan.ContextPlanner{Planner: f.config.Planner, Info: info, GPUs: gpus}
	if f.limit == 0 {
		f.limit, f.because = choose.Limit()
		f.counts = !ollama.Old(info.Version)
	}
	demand, shortest := f.demand, f.served+1
	if f.number == 1 {
		if !f.begun.Load() {
			f.sampleInput(ctx, info, isNew)
		}
		demand, shortest = f.sample.Demand(f.estimate), f.config.Planner.Wish.MinContext
	}
	if f.number > 2 { // estimates have failed, and each pass costs a restart
		shortest = f.limit
	}
	p, err := choose.Choose(demand, shortest, f.limit)
	if err != nil {
		return p, err
	}
	f.context, f.limit = p.Context, max(f.limit, p.Context) // more, where layers may go to the CPU
	choice := plan.Chosen(&p, demand, f.estimate, f.limit, f.because)
	f.recorder.ContextChosen(choice)
	f.log.Info().Int("context", p.Context).Int("slots", p.Slots).Int("longest_context", f.limit).Msg("the context is chosen: " + choice.String())
	return p, nil
}

// sampleInput samples the rows that are to be asked, and lets the model's vocabulary scale the estimate. Where the input gives no
// sample, the rows that were read meanwhile are the sample.
func (f *Fit) sampleInput(ctx context.Context, info ollama.Info, isNew func(prompt.Key) bool) {
	f.begun.Store(true)
	f.sample = f.config.Planner.Sample(ctx, isNew)
	if f.sample.Rows() == 0 { // else these rows would count twice
		stands := 1.0
		if !f.counters.AllRead() {
			stands = unknownRows / input.Prefetched
		}
		f.sample.Merge(&f.ahead, stands)
	}
	f.sample.Scale(tokens.FromMetadata(info.Metadata), f.estimate)
}

// Shorten lowers the limit after servers did not hold the model with the context that was chosen, and reports whether a
// shorter context is to be tried.
func (f *Fit) Shorten() bool {
	shorter := f.context * 3 / 4 / tokens.Step * tokens.Step
	goesOn := shorter >= max(tokens.MinContext, f.config.Planner.Wish.MinContext, f.served+1)
	f.limit, f.because = shorter, "the memory allows"
	if !goesOn {
		f.limit = f.served
	}
	if goesOn || f.IsBeyondServed() {
		f.recorder.StartFailed("") // it is not why no server answers
	}
	if goesOn {
		f.log.Warn().Int("context_was", f.context).Int("longest_context", f.limit).Msg("the GPUs do not hold the model with this context; trying a shorter one")
	}
	return goesOn
}

// IsBeyondServed reports whether the pass was planned with a longer context than any that servers had. Where no server holds
// the model with it, the rows of the pass can still be asked with the longest context that servers had: some were deferred
// by an estimate alone, and may fit.
func (f *Fit) IsBeyondServed() bool { return f.served > 0 && f.context > f.served }

// FellBack says in the log that the deferred rows are asked with the context of the servers before.
func (f *Fit) FellBack(rows *Deferred) {
	f.log.Warn().Int64("rows", rows.demand.Rows()).Int("context", f.served).
		Msg("no longer context fits the GPUs; running the deferred rows with the previous one")
}

// NextPass begins the next pass and returns its rows, which the caller closes; nil where no row was deferred.
func (f *Fit) NextPass() *Deferred {
	rows := f.deferred
	if rows.demand.Rows() == 0 {
		return nil
	}
	f.demand, f.deferred = &rows.demand, f.newDeferred()
	f.served = max(f.served, f.context)
	f.number++
	f.log.Info().Int64("rows", rows.demand.Rows()).Int("tokens", rows.demand.Most()).Msg("rows that need a longer context are next; the servers are started again for them")
	return rows
}

// Close lets go of the rows that are still deferred: the next run asks them.
func (f *Fit) Close() { f.deferred.Close() }

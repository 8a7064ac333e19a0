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

// unknownRows is the assumed number of rows of an input of which only the first rows are known.
const unknownRows = 1000

// Plan plans the servers of a pass. The needs of the rows come from a sample of the input before the first pass, and from all
// deferred rows before a later pass. isNew reports whether a row has no line yet. Errors: those of plan.Planner.Plan.
func (f *Fit) Plan(ctx context.Context, info ollama.Info, gpus []gpu.Device, isNew func(prompt.Key) bool) (batcher.Plan, error) {
	choose := plan.ContextPlanner{Planner: f.config.Planner, Info: info, GPUs: gpus}
	if f.limit == 0 {
		f.limit, f.because = choose.Limit()
		f.counts = !ollama.OldGeneration(info.Version)
	}
	demand, minContext := f.demand, f.served+1
	if f.number == 1 {
		if !f.sampled.Load() {
			f.sampleInput(ctx, info, isNew)
		}
		demand, minContext = f.sample.Demand(f.estimate), f.config.Planner.Request.MinContext
	}
	if f.number > 2 { // the estimate was wrong twice, and each pass costs a restart
		minContext = f.limit
	}
	p, err := choose.Choose(demand, minContext, f.limit)
	if err != nil {
		return p, err
	}
	f.context, f.limit = p.Context, max(f.limit, p.Context) // above the limit where layers may go to the CPU
	choice := plan.Chosen(&p, demand, f.estimate, f.limit, f.because)
	f.recorder.ContextChosen(choice)
	f.log.Info().Int("context", p.Context).Int("slots", p.Slots).Int("longest_context", f.limit).Msg("the context is chosen: " + choice.String())
	return p, nil
}

// sampleInput samples the rows without a line, and scales the estimate by the model's vocabulary. If the input gives no
// sample, the rows that were read so far are the sample.
func (f *Fit) sampleInput(ctx context.Context, info ollama.Info, isNew func(prompt.Key) bool) {
	f.sampled.Store(true)
	f.sample = f.config.Planner.Sample(ctx, isNew)
	if f.sample.Rows() == 0 { // otherwise the rows that were read would count twice
		stands := 1.0
		if !f.counters.AllRead() {
			stands = unknownRows / input.Prefetched
		}
		f.sample.Merge(&f.read, stands)
	}
	f.sample.Scale(tokens.FromMetadata(info.Metadata), f.estimate)
}

// Shorten lowers the limit after the servers did not hold the model with the chosen context. It reports whether a shorter
// context can be tried.
func (f *Fit) Shorten() bool {
	shorter := f.context * 3 / 4 / tokens.Step * tokens.Step
	retry := shorter >= max(tokens.MinContext, f.config.Planner.Request.MinContext, f.served+1)
	f.limit, f.because = shorter, "the memory allows"
	if !retry {
		f.limit = f.served
	}
	if retry || f.IsBeyondServed() {
		f.recorder.StartFailed("") // the run goes on, so this failure is not the reason for its end
	}
	if retry {
		f.log.Warn().Int("context_was", f.context).Int("longest_context", f.limit).Msg("the GPUs do not hold the model with this context; trying a shorter one")
	}
	return retry
}

// IsBeyondServed reports whether the context of the pass is longer than that of all earlier passes. If no server holds the
// model with it, the rows of the pass can still be asked with the longest earlier context: some rows were deferred by an
// estimate alone, and may fit.
func (f *Fit) IsBeyondServed() bool { return f.served > 0 && f.context > f.served }

// FellBack logs that the deferred rows are asked with the longest earlier context.
func (f *Fit) FellBack(rows *Deferred) {
	f.log.Warn().Int64("rows", rows.demand.Rows()).Int("context", f.served).
		Msg("no longer context fits the GPUs; running the deferred rows with the previous one")
}

// NextPass begins the next pass and returns its rows, which the caller closes; nil if no row was deferred.
func (f *Fit) NextPass() *Deferred {
	rows := f.deferred
	if rows.demand.Rows() == 0 {
		return nil
	}
	f.demand, f.deferred = &rows.demand, f.newDeferred()
	f.served = max(f.served, f.context)
	f.number++
	f.log.Info().Int64("rows", rows.demand.Rows()).Int("tokens", rows.demand.Max()).Msg("rows that need a longer context are next; the servers are started again for them")
	return rows
}

// Close closes the set of rows that are still deferred: the next run asks them.
func (f *Fit) Close() { f.deferred.Close() }

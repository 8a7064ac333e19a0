package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/ollama"
	"fluxworker/worker/tokens"
)

// leastContext is the shortest context that is tried, where none is demanded.
const leastContext = 512

// Fitting is how a context was chosen, in tokens and rows.
type Fitting struct {
	Context int    `json:"context"`
	Limit   int    `json:"longest_context"` // that is possible
	Because string `json:"longest_because"` // "the model has" or "the memory allows"
	Rows    int64  `json:"rows"`            // about, by those that were looked at
	Longer  int64  `json:"rows_longer"`     // of them, those that need more than Context
	Half    int    `json:"half_need"`       // what half of them need at most, prompt and answer together
	Most    int    `json:"most_needed"`     // what the longest needs
	// Start and Slope estimate the tokens of a prompt from its weight; see worker/tokens.
	Start float64 `json:"tokens_start"`
	Slope float64 `json:"tokens_per_weight"`
	// Counted is how many answers have corrected them.
	Counted int64 `json:"answers_counted"`
}

// String says it in a sentence.
func (f Fitting) String() string {
	s := fmt.Sprintf("half of about %d rows need at most %d tokens, the longest %d", f.Rows, f.Half, f.Most)
	switch {
	case f.Context < f.Limit && f.Longer > 0:
		s += fmt.Sprintf("; about %d need more and are answered last, with a longer context", f.Longer)
	case f.Context == f.Limit:
		s += fmt.Sprintf("; it is the longest that %s", f.Because)
		if f.Longer > 0 {
			s += fmt.Sprintf(", and about %d seem to need more", f.Longer)
		}
	}
	return s
}

// fitter makes plans with one context or another.
type fitter struct {
	Config
	info ollama.Info
	gpus []gpu.Device
}

// at is the plan with a context. On the CPU, where the host's memory holds the slots, those of a context beyond the default
// become fewer, so that all of them together take no more than with the default.
func (f fitter) at(context int) (batcher.Plan, error) {
	f.Wish.Context, f.Wish.MinContext = context, 0
	if f.Server.Device != ollama.DeviceCPU {
		return f.Plan(f.info, f.gpus)
	}
	slots := f.slotsOnCPU()
	if context > batcher.DefaultContext {
		slots = max(1, slots*batcher.DefaultContext/context)
		f.Wish.Slots = slots
	}
	p, err := f.Plan(f.info, f.gpus)
	for slots > 1 && isMemoryError(err) {
		slots = slots * 3 / 4
		f.Wish.Slots = slots
		p, err = f.Plan(f.info, f.gpus)
	}
	return p, err
}

func isMemoryError(err error) bool {
	_, ok := errors.AsType[*MemoryError](err)
	return ok
}

// slotsOnCPU is how many there are with the default context.
func (f fitter) slotsOnCPU() int {
	f.Wish.Context = 1
	f.Place.Memory.Bytes = 0
	p, err := f.Plan(f.info, nil)
	if err != nil {
		return 1
	}
	return p.Slots
}

// slots is how many rows are answered at once with a context; 0 where it does not fit.
func (f fitter) slots(context int) int {
	p, err := f.at(context)
	if err != nil || slices.ContainsFunc(p.Servers, func(s batcher.Server) bool { return s.Spill > 0 }) {
		return 0
	}
	return p.Slots
}

// limit is the longest context: the model's own, or what one slot may have of the memory, a multiple of 256.
func (f fitter) limit() (limit int, because string) {
	limit, because = f.modelContext(), "the model has"
	if f.slots(limit) > 0 {
		return limit, because
	}
	const step = 256
	low, high := 0, (limit-1)/step // nothing fits with high+1, and it never fits again with more
	for low < high {
		if middle := (low + high + 1) / 2; f.slots(middle*step) > 0 {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low * step, "the memory allows"
}

// modelContext is the model's own context length. Of a model that does not tell the default is taken: a longer context
// than its own a server would shorten without a word.
func (f fitter) modelContext() int {
	if a := f.architecture(f.info); a.ContextLength > 0 {
		return a.ContextLength
	}
	family, _ := f.info.Metadata["general.architecture"].(string)
	if own, ok := f.info.Metadata[family+".context_length"].(float64); ok && own >= 1 && own <= 1<<24 {
		return int(own)
	}
	return batcher.DefaultContext
}

// choose plans with the context that suits a demand best, of those from least to limit.
func (f fitter) choose(d *tokens.Demand, least, limit int) (batcher.Plan, error) {
	const step = 256
	most := min(limit, max(least, leastContext, (d.Most()+step-1)/step*step))
	context := tokens.Choose(d, tokens.Contexts(least, most), f.slots)
	if context == 0 {
		context = min(least, limit) // the error says what is missing
	}
	return f.at(context)
}

// fitting tells how a plan's context was chosen, here and among the plan's sources.
func fitting(p *batcher.Plan, d *tokens.Demand, e *tokens.Estimator, limit int, because string) Fitting {
	f := Fitting{
		Context: p.Context, Limit: limit, Because: because, Rows: d.Rows(), Longer: d.Beyond(p.Context), Half: d.At(0.5), Most: d.Most(),
		Counted: e.Counted(),
	}
	f.Start, f.Slope = e.Line()
	for i := range p.Sources {
		if p.Sources[i].What == "context" {
			p.Sources[i].From = "chosen by the rows: " + f.String()
		}
	}
	return f
}

// PlanRows is Plan with the context that suits the input's rows, where it is to follow from them and there is an input to
// look at. Then the Fitting says how.
func (c Config) PlanRows(ctx context.Context, info ollama.Info, gpus []gpu.Device) (batcher.Plan, *Fitting, error) {
	into := new(tokens.Sample)
	if c.FitContext && c.Server.URL == "" && c.Input != "" {
		s := sampler{Config: c, isNew: always, into: into}
		s.file(ctx)
	}
	if into.Rows() == 0 {
		p, err := c.Plan(info, gpus)
		return p, nil, err
	}
	f := fitter{Config: c, info: info, gpus: gpus}
	limit, because := f.limit()
	e := tokens.NewEstimator()
	into.Scale(tokens.FromMetadata(info.Metadata), e)
	demand := into.Demand(e)
	p, err := f.choose(demand, c.Wish.MinContext, limit)
	if err != nil {
		return p, nil, err
	}
	fitted := fitting(&p, demand, e, limit, because)
	return p, &fitted, nil
}

package plan

import (
	"context"
	"errors"
	"slices"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/worker/ollama"
	"fluxworker/worker/record"
	"fluxworker/worker/tokens"
)

// ContextPlanner makes plans with one context or another, for a model as Ollama knows it and GPUs as they are.
type ContextPlanner struct {
	Planner
	Info ollama.Info
	GPUs []gpu.Device
}

// at is the plan with a context. On the CPU, where the host's memory holds the slots, those of a context beyond the default
// become fewer, so that all of them together take no more than with the default.
func (c ContextPlanner) at(context int) (batcher.Plan, error) {
	c.Wish.Context, c.Wish.MinContext = context, 0
	if c.Device != ollama.DeviceCPU {
		return c.Plan(c.Info, c.GPUs)
	}
	slots := c.slotsOnCPU()
	if context > batcher.DefaultContext {
		slots = max(1, slots*batcher.DefaultContext/context)
		c.Wish.Slots = slots
	}
	p, err := c.Plan(c.Info, c.GPUs)
	for slots > 1 && isMemoryError(err) {
		slots = slots * 3 / 4
		c.Wish.Slots = slots
		p, err = c.Plan(c.Info, c.GPUs)
	}
	return p, err
}

func isMemoryError(err error) bool {
	_, ok := errors.AsType[*MemoryError](err)
	return ok
}

// slotsOnCPU is how many there are with the default context.
func (c ContextPlanner) slotsOnCPU() int {
	c.Wish.Context = 1
	c.Memory.Bytes = 0
	p, err := c.Plan(c.Info, nil)
	if err != nil {
		return 1
	}
	return p.Slots
}

// slots is how many rows are answered at once with a context; 0 where it does not fit.
func (c ContextPlanner) slots(context int) int {
	p, err := c.at(context)
	if err != nil || slices.ContainsFunc(p.Servers, func(s batcher.Server) bool { return s.Spill > 0 }) {
		return 0
	}
	return p.Slots
}

// Limit returns the longest context: the model's own, or what one slot may have of the memory, a multiple of 256.
func (c ContextPlanner) Limit() (limit int, because string) {
	limit, because = c.modelContext(), "the model has"
	if c.slots(limit) > 0 {
		return limit, because
	}
	low, high := 0, (limit-1)/tokens.Step // nothing fits with high+1, and it never fits again with more
	for low < high {
		if middle := (low + high + 1) / 2; c.slots(middle*tokens.Step) > 0 {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low * tokens.Step, "the memory allows"
}

// modelContext is the model's own context length. Of a model that does not tell the default is taken: a longer context
// than its own a server would shorten without a word.
func (c ContextPlanner) modelContext() int {
	if a := c.architecture(c.Info); a.ContextLength > 0 {
		return a.ContextLength
	}
	family, _ := c.Info.Metadata["general.architecture"].(string)
	if own, ok := c.Info.Metadata[family+".context_length"].(float64); ok && own >= 1 && own <= 1<<24 {
		return int(own)
	}
	return batcher.DefaultContext
}

// Choose plans with the context that suits a demand best, of those from least to limit.
func (c ContextPlanner) Choose(d *tokens.Demand, least, limit int) (batcher.Plan, error) {
	most := min(limit, max(least, tokens.MinContext, (d.Most()+tokens.Step-1)/tokens.Step*tokens.Step))
	context := tokens.Choose(d, tokens.Contexts(least, most), c.slots)
	if context == 0 {
		context = min(least, limit) // the error says what is missing
	}
	return c.at(context)
}

// Chosen describes how a plan's context was chosen, for the records, and enters it among the plan's sources.
func Chosen(p *batcher.Plan, d *tokens.Demand, e *tokens.Estimator, limit int, because string) record.ContextChoice {
	c := record.ContextChoice{
		Context: p.Context, Limit: limit, Because: because, Rows: d.Rows(), Longer: d.Beyond(p.Context), Half: d.At(0.5), Most: d.Most(),
		Counted: e.Counted(),
	}
	c.Start, c.Slope = e.Line()
	for i := range p.Sources {
		if p.Sources[i].What == "context" {
			p.Sources[i].From = "chosen by the rows: " + c.String()
		}
	}
	return c
}

// PlanRows is Plan with the context that suits the input's rows, where it is to follow from them and there is an input to
// sample. Then the choice says how.
func (p Planner) PlanRows(ctx context.Context, info ollama.Info, gpus []gpu.Device) (batcher.Plan, *record.ContextChoice, error) {
	sample := new(tokens.Sample)
	if p.FitContext && !p.Running && p.Input.Path != "" {
		sample = p.Sample(ctx, Always)
	}
	if sample.Rows() == 0 {
		plan, err := p.Plan(info, gpus)
		return plan, nil, err
	}
	c := ContextPlanner{Planner: p, Info: info, GPUs: gpus}
	limit, because := c.Limit()
	e := tokens.NewEstimator()
	sample.Scale(tokens.FromMetadata(info.Metadata), e)
	demand := sample.Demand(e)
	plan, err := c.Choose(demand, p.Wish.MinContext, limit)
	if err != nil {
		return plan, nil, err
	}
	choice := Chosen(&plan, demand, e, limit, because)
	return plan, &choice, nil
}

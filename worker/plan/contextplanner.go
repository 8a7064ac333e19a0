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

// ContextPlanner plans with different contexts, for one model and one set of GPUs.
type ContextPlanner struct {
	Planner Planner
	Info    ollama.Info
	GPUs    []gpu.Device
}

// at returns the plan with a context. On the CPU, where the host's memory holds the slots, a context above the default gets
// fewer slots, so that all slots together take no more memory than with the default context. Errors: those of Plan.
func (c ContextPlanner) at(context int) (batcher.Plan, error) {
	planner := c.Planner // a copy
	planner.Request.Context, planner.Request.MinContext = context, 0
	if planner.Device != ollama.DeviceCPU {
		return planner.Plan(c.Info, c.GPUs)
	}
	slots := c.slotsOnCPU()
	if context > batcher.DefaultContext {
		slots = max(1, slots*batcher.DefaultContext/context)
		planner.Request.Slots = slots
	}
	p, err := planner.Plan(c.Info, c.GPUs)
	for slots > 1 && isMemoryError(err) {
		slots = slots * 3 / 4
		planner.Request.Slots = slots
		p, err = planner.Plan(c.Info, c.GPUs)
	}
	return p, err
}

// isMemoryError reports whether the job's memory does not hold the model.
func isMemoryError(err error) bool {
	_, ok := errors.AsType[*MemoryError](err)
	return ok
}

// slotsOnCPU returns the number of slots on the CPU with the default context, without regard to the host's memory.
func (c ContextPlanner) slotsOnCPU() int {
	planner := c.Planner // a copy
	planner.Request.Context = 1
	planner.Memory.Bytes = 0
	p, err := planner.Plan(c.Info, nil)
	if err != nil {
		return 1
	}
	return p.Slots
}

// slots returns the number of slots with a context; 0 where the memory does not hold the context.
func (c ContextPlanner) slots(context int) int {
	p, err := c.at(context)
	if err != nil || slices.ContainsFunc(p.Servers, func(s batcher.Server) bool { return s.Spill > 0 }) {
		return 0
	}
	return p.Slots
}

// Limit returns the longest context, in tokens: that of the model, or the longest that the memory allows for one slot, a
// multiple of tokens.Step. because is the cause for messages: "the model has" or "the memory allows".
func (c ContextPlanner) Limit() (limit int, because string) {
	limit, because = c.modelContext(), "the model has"
	if c.slots(limit) > 0 {
		return limit, because
	}
	low, high := 0, (limit-1)/tokens.Step // the memory does not hold high+1 steps, nor any longer context
	for low < high {
		if middle := (low + high + 1) / 2; c.slots(middle*tokens.Step) > 0 {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low * tokens.Step, "the memory allows"
}

// modelContext returns the model's context length, in tokens; the default for a model without metadata of it: a server
// shortens a longer context without a message.
func (c ContextPlanner) modelContext() int {
	if a := c.Planner.architecture(c.Info); a.ContextLength > 0 {
		return a.ContextLength
	}
	family, _ := c.Info.Metadata["general.architecture"].(string)
	if own, ok := c.Info.Metadata[family+".context_length"].(float64); ok && own >= 1 && own <= 1<<24 {
		return int(own)
	}
	return batcher.DefaultContext
}

// Choose plans with the context from minContext to limit, in tokens, that suits the demand best. Errors: those of Plan.
func (c ContextPlanner) Choose(d *tokens.Demand, minContext, limit int) (batcher.Plan, error) {
	maxContext := min(limit, max(minContext, tokens.MinContext, (d.Max()+tokens.Step-1)/tokens.Step*tokens.Step))
	context := tokens.Choose(d, tokens.Contexts(minContext, maxContext), c.slots)
	if context == 0 {
		context = min(minContext, limit) // the error of this plan names the missing memory
	}
	return c.at(context)
}

// Chosen returns the record of the choice of a plan's context, and writes it among the plan's sources.
func Chosen(p *batcher.Plan, d *tokens.Demand, e *tokens.Estimator, limit int, because string) record.ContextChoice {
	c := record.ContextChoice{
		Context: p.Context, Limit: limit, Because: because, Rows: d.Rows(), Longer: d.Beyond(p.Context), Half: d.At(0.5), Most: d.Max(),
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

// PlanRows plans for the rows of the input. If FitContext is set and the input gives a sample, the plan has the context that
// suits the rows, and PlanRows returns the choice; otherwise it is Plan, with a nil choice. shared is what the sampled rows share
// with each other; nil without a sample. Errors: those of Plan.
func (p Planner) PlanRows(ctx context.Context, info ollama.Info, gpus []gpu.Device) (_ batcher.Plan, choice *record.ContextChoice, shared *tokens.Sharing, _ error) {
	sample := new(tokens.Sample)
	if p.Input.Path != "" {
		sample = p.sample(ctx, Always, true)
		shared = sample.Sharing()
	}
	if sample.Rows() == 0 || !p.FitContext || p.Running {
		plan, err := p.Plan(info, gpus)
		return plan, nil, shared, err
	}
	c := ContextPlanner{Planner: p, Info: info, GPUs: gpus}
	limit, because := c.Limit()
	e := tokens.NewEstimator()
	sample.Scale(tokens.FromMetadata(info.Metadata), e)
	demand := sample.Demand(e)
	plan, err := c.Choose(demand, p.Request.MinContext, limit)
	if err != nil {
		return plan, nil, shared, err
	}
	chosen := Chosen(&plan, demand, e, limit, because)
	return plan, &chosen, shared, nil
}

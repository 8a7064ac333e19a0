// Package plan decides on servers, slots and context: from what the model is, what the GPUs have free, what the user wants and
// what the rows take. It also works out what a job should ask SLURM for.
//
// Invariants: a plan depends on its arguments alone, so the same arguments give the same plan; what Ollama says of a model
// counts for more than its YAML; nothing here starts a server.
package plan

import (
	"slices"
	"time"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/modelcfg"
	"fluxworker/worker/input"
	"fluxworker/worker/ollama"
	"fluxworker/worker/slurm"
)

// Planner makes plans for one model and one input.
type Planner struct {
	Model modelcfg.Model // what its YAML says
	Wish  batcher.Wish   // slots and context as the user wants them
	// FitContext chooses the context by what the rows take, whatever Wish says of it; not below Wish.MinContext. A server
	// that is not ours keeps the context of Wish.
	FitContext bool
	SampleTime time.Duration // for the look at the input by which the context is chosen; 0 is the default
	Input      input.Input

	Device  ollama.Device
	Running bool         // the server runs already: its memory is not checked
	File    *ollama.File // a model that is in no folder; nil otherwise
	Memory  slurm.Memory // of the host, that the job may use; the zero value is no limit
}

// Plan brings together what the user wants, what the model is and what the GPUs have. What Ollama says of the model
// counts for more than its YAML; the zero Info means that it was not asked. Errors: those of batcher.Decide, MemoryError.
func (p Planner) Plan(info ollama.Info, gpus []gpu.Device) (batcher.Plan, error) {
	architecture := p.architecture(info)
	wish := p.Wish
	wish.CPU = p.Device == ollama.DeviceCPU
	wish.Unchecked = p.Running
	// Where Ollama was not asked, as on a login node, the newer generation is expected.
	old := info.Version != "" && ollama.Old(info.Version)
	wish.NoFlashAttention = batcher.NoFlashAttention(old, info.Metadata, architecture, gpus)
	plan, err := batcher.Decide(p.Model, architecture, gpus, wish)
	if err != nil {
		return plan, err
	}
	if p.File != nil && info.Version != "" {
		if _, text := p.File.For(info.Version); text != "" {
			plan.Warnings = append(plan.Warnings, text)
		}
	}
	if text := engineFault(architecture, info.Version); text != "" {
		plan.Warnings = append(plan.Warnings, text)
	}
	warning, err := p.checkMemory(plan)
	if warning != "" {
		plan.Warnings = append(plan.Warnings, warning)
	}
	return plan, err
}

func (p Planner) architecture(info ollama.Info) modelcfg.Architecture {
	if len(info.Metadata) == 0 {
		return p.Model.Architecture
	}
	a, err := batcher.FromMetadata(info.Metadata, info.WeightsBytes, 0) // the projector's file is counted in the weights
	if err != nil {                                                     // a kind of model that is not known here: the YAML's numbers, or the rule of thumb, have to do
		a = modelcfg.Architecture{WeightsBytes: info.WeightsBytes, Family: info.Family}
	}
	a.Vision = a.Vision || info.Projector
	if info.Projector && info.Version != "" && ollama.Old(info.Version) {
		// The old generation runs such a model by its llama.cpp, which gives layers with a window the whole context.
		a.SlidingWindow = 0
	}
	if len(info.Capabilities) > 0 {
		// Ollama serves a model that writes no text, such as an embedder, with one slot.
		a.SingleSlot = a.SingleSlot || !slices.Contains(info.Capabilities, "completion")
		a.Vision = a.Vision || slices.Contains(info.Capabilities, "vision")
	}
	return a
}

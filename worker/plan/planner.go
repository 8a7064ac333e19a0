// Package plan decides on servers, slots and context, from the model, the free memory of the GPUs, the user's settings and
// the needs of the rows. It also calculates the resources that a job should request from SLURM.
//
// Invariants: a plan depends on its arguments alone, so the same arguments give the same plan; Ollama's metadata of a model
// overrides the model's YAML; no function here starts a server.
package plan

import (
	"cmp"
	"slices"
	"time"

	"fluxworker/batcher"
	"fluxworker/gpu"
	"fluxworker/modelcfg"
	"fluxworker/worker/input"
	"fluxworker/worker/ollama"
	"fluxworker/worker/record"
	"fluxworker/worker/slurm"
)

// Planner makes plans for one model and one input.
type Planner struct {
	Model   modelcfg.Model  // from its YAML
	Request batcher.Request // slots and context from the user
	// FitContext chooses the context by the needs of the rows instead of Request.Context, but not below Request.MinContext. A server
	// that runs already keeps the context of Request.
	FitContext bool
	SampleTime time.Duration // limit of the sample of the input; 0 is the default
	Input      input.Input

	Device  ollama.Device
	Running bool         // the server runs already: its memory is not checked
	File    *ollama.File // a model outside of the model folder; nil otherwise
	Memory  slurm.Memory // host memory of the job; the zero value is no limit

	Last *record.Manifest // of the last run into the output, to learn from; nil without one
}

// Plan plans the servers for a model and the GPUs. info overrides the model's YAML; the zero Info means that Ollama was not
// asked. Errors: those of batcher.Decide, MemoryError.
func (p Planner) Plan(info ollama.Info, gpus []gpu.Device) (batcher.Plan, error) {
	architecture := p.architecture(info)
	wish := p.Request
	wish.CPU = p.Device == ollama.DeviceCPU
	wish.Unchecked = p.Running
	// Without an answer from Ollama, as on a login node, the newer generation is assumed.
	old := info.Version != "" && ollama.OldGeneration(info.Version)
	wish.Runner = batcher.RunnerOf(old, architecture.Family, info.Projector)
	wish.Embeds, wish.Drafts = info.EmbedsOnly(), info.Drafts
	if wish.Ubatch == 0 {
		wish.Ubatch = info.Ubatch
	}
	if n := info.GPULayers; n != nil && *n >= 0 && *n < architecture.Layers && !wish.CPU && !wish.Unchecked && !wish.AllowCPULayers {
		return batcher.Plan{}, &batcher.LayersError{Model: p.Model, GPULayers: *n, Layers: architecture.Layers, Own: true}
	}
	wish.NoFlashAttention = batcher.NoFlashAttention(old, info.Metadata, architecture, gpus)
	wish.Learned = learned(p.Last, info, cmp.Or(wish.KVCacheType, "f16"), gpus)
	plan, err := batcher.Decide(p.Model, architecture, gpus, wish)
	if err != nil {
		return plan, err
	}
	if wish.Learned != nil {
		plan.Sources = append(plan.Sources, explainLearned(wish.Learned))
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

// architecture returns the model's numbers: those of Ollama's metadata, or of the YAML without metadata.
func (p Planner) architecture(info ollama.Info) modelcfg.Architecture {
	if len(info.Metadata) == 0 {
		return p.Model.Architecture
	}
	a, err := batcher.FromMetadata(info.Metadata, info.WeightsBytes, 0) // the weights include the file of the projector
	if err != nil {                                                     // an unknown kind of model: the YAML's numbers, or the rule of thumb, must suffice
		a = modelcfg.Architecture{WeightsBytes: info.WeightsBytes, Family: info.Family}
	}
	a.Vision = a.Vision || info.Projector
	a.HostBytes = info.HostBytes
	if len(info.Capabilities) > 0 {
		// Ollama serves a model that writes no text, such as an embedder, with one slot.
		a.SingleSlot = a.SingleSlot || !slices.Contains(info.Capabilities, "completion")
		a.Vision = a.Vision || slices.Contains(info.Capabilities, "vision")
	}
	return a
}

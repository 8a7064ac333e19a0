// Package batcher decides how a model is served: how many slots and how much context each has. It is pure arithmetic on
// what it is given and does no I/O, so that a plan can be checked, printed and tested without a machine.
//
// What a server does with a plan: it gives each slot its own context and its own share of the KV cache, whose memory
// grows with slots times context, and it answers as many rows at once as it has slots.
package batcher

import (
	"fmt"

	"fluxworker/modelcfg"
)

const (
	// DefaultSlots is for a model whose YAML does not say; it is LLMFlux's default batch size.
	DefaultSlots = 4
	// MaxSlots is far beyond what a GPU holds and bounds connections and goroutines.
	MaxSlots = 4096
)

// Wish is what the user asked for.
type Wish struct {
	Slots          int  // 1 to MaxSlots; 0 leaves it to the model's YAML
	Context        int  // tokens in each slot, at least 1
	CPU            bool // no GPU is expected
	AllowCPULayers bool // a YAML may leave layers to the CPU
}

// Plan is how the model is served.
type Plan struct {
	Slots    int // rows answered at the same time
	Context  int // tokens in each slot, prompt and answer together
	Warnings []string
}

// LayersError is a YAML whose gpu_layers leaves some of the model to the CPU, which nobody asked for on purpose.
type LayersError struct {
	Model     modelcfg.Model
	GPULayers int
	Layers    int // of the model; 0 where not known
}

func (e *LayersError) Error() string {
	of := "its"
	if e.Layers > 0 {
		of = fmt.Sprintf("the model's %d", e.Layers)
	}
	return fmt.Sprintf("%s: resources.gpu_layers is %d: the rest of %s layers would run on the CPU, many times slower; remove gpu_layers, or say --allow-cpu-layers",
		e.Model.File, e.GPULayers, of)
}

// Decide makes the plan. The error is a *LayersError.
func Decide(m modelcfg.Model, w Wish) (Plan, error) {
	p := Plan{Slots: w.Slots, Context: w.Context}
	if p.Slots == 0 {
		p.Slots = m.Resources.BatchSize
	}
	if p.Slots == 0 {
		p.Slots = DefaultSlots
	}
	if m.Architecture.SingleSlot && p.Slots > 1 {
		p.warn("Ollama answers one row at a time for models such as %s: one slot instead of %d", m.Name, p.Slots)
		p.Slots = 1
	}
	if most := m.Architecture.ContextLength; most > 0 && p.Context > most {
		p.warn("model %s has a context length of %d: taking it instead of %d", m.Name, most, p.Context)
		p.Context = most
	}
	if gpu, all, partial := m.PartialGPULayers(); partial && !w.CPU {
		if !w.AllowCPULayers {
			return Plan{}, &LayersError{Model: m, GPULayers: gpu, Layers: all}
		}
		p.warn("--allow-cpu-layers: gpu_layers is %d, but how many layers go to the GPU is Ollama's decision; those that do not fit run on the CPU, many times slower", gpu)
	}
	return p, nil
}

func (p *Plan) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

package batcher

import (
	"fmt"

	"fluxworker/modelcfg"
)

// serverSpec describes a server whose memory is computed. Numbers are at least 1.
type serverSpec struct {
	slots   int64
	context int64
	cache   string
	group   int64 // number of devices that share the layers
	noFlash bool
}

// perDevice returns the largest part of bytes on one device of the group, if the bytes are spread evenly over layers.
func (s serverSpec) perDevice(bytes, layers int64) int64 {
	return share(bytes, (layers+s.group-1)/s.group, layers)
}

// memoryFor returns a server's memory on each of its devices, the weights first. For a fixed group the sum of the terms
// never falls with slots or context; the search for the maximum number of slots depends on that.
type memoryFor func(serverSpec) []Term

// newMemoryFor uses the architecture if it is known, otherwise the rule of thumb. The bool is true for the rule of
// thumb.
func newMemoryFor(m modelcfg.Model, a modelcfg.Architecture) (memoryFor, bool, error) {
	if known(a) {
		return func(s serverSpec) []Term { return architectureTerms(a, s) }, false, nil
	}
	d, err := ruleOfThumb(m, a)
	return d, true, err
}

func architectureTerms(a modelcfg.Architecture, s serverSpec) []Term {
	projector := min(a.ProjectorBytes, a.WeightsBytes)
	weights := a.WeightsBytes - projector
	terms := []Term{weightsTerm(a, s, weights), kvTerm(a, s)}
	if t, ok := windowTerm(a, s); ok {
		terms = append(terms, t)
	}
	if t, ok := stateTerm(a, s); ok {
		terms = append(terms, t)
	}
	terms = append(terms, computeTerm(a, s))
	if t, ok := scratchTerm(a, s); ok {
		terms = append(terms, t)
	}
	if a.Vision || projector > 0 {
		// The projector is not split: one device holds all of it, and it can be any of them.
		terms = append(terms, Term{"projector", plus(projector, visionBytes),
			fmt.Sprintf("%s of weights apart, and %s to encode an image", Size(projector), Size(visionBytes))})
	}
	if t, ok := pipelineTerm(a, s); ok {
		terms = append(terms, t)
	}
	return append(terms, runtimeTerm())
}

// weightsTerm returns the size of the model's files. It is an upper bound: a token embedding that is not also the
// output matrix stays in host memory. The output matrix counts as one more layer.
func weightsTerm(a modelcfg.Architecture, s serverSpec, bytes int64) Term {
	note := "size of the model's files"
	if s.group > 1 {
		note = fmt.Sprintf("%s, split over %d GPUs by layers", Size(bytes), s.group)
	}
	return Term{"weights", s.perDevice(bytes, int64(a.Layers)+1), note}
}

func runtimeTerm() Term {
	return Term{"CUDA runtime", runtimeBytes, "context and kernels of one process on one GPU, an estimate"}
}

func sum(terms []Term) int64 {
	var total int64
	for _, t := range terms {
		total = plus(total, t.Bytes)
	}
	return total
}

package batcher

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"fluxworker/modelcfg"
)

// UnknownSizeError is a model with unknown architecture and unknown memory, so that no plan is possible.
type UnknownSizeError struct {
	Model   string
	Nearest []string // similar models whose size is known; may be empty
}

func (e *UnknownSizeError) Error() string {
	text := fmt.Sprintf("%s: neither its architecture nor its memory is known; pull the model, or give architecture or requirements.min_gpu_memory in a model YAML", e.Model)
	if len(e.Nearest) > 0 {
		text += "; the nearest known models are " + strings.Join(e.Nearest, ", ")
	}
	return text
}

// The rule of thumb from LLMFlux's model list: the upper end of the memory for each increase of the batch size by one,
// by the model's billions of parameters. It is far above the memory of a slot of 4096 tokens with today's models.
const (
	smallSlot  = 4 * gib // up to 7
	mediumSlot = 8 * gib // up to 20
	largeSlot  = 16 * gib
)

// ruleOfThumb uses the size of the weights if it is known, otherwise min_gpu_memory or gpu_memory of the YAML, as the
// memory of a server with one slot, and adds the rule's memory for each further slot. Above DefaultContext the slots
// grow with the context.
func ruleOfThumb(m modelcfg.Model, a modelcfg.Architecture) (memoryFor, error) {
	base, from := m.Requirements.MinGPUMemory, "requirements.min_gpu_memory"
	if base == 0 {
		base, from = m.Resources.GPUMemory, "resources.gpu_memory"
	}
	slotBytes, class := slotClass(billions(m, a, base))
	free := int64(1) // number of slots included in base
	if a.WeightsBytes > 0 {
		base, from, free = plus(a.WeightsBytes, runtimeBytes), "size of the model's files, and CUDA runtime", 0
	}
	if base == 0 {
		return nil, &UnknownSizeError{m.Name, m.Alternatives}
	}
	return func(s serverSpec) []Term {
		each := times(slotBytes, max(s.context, DefaultContext)) / DefaultContext
		slots := times(s.slots-free, each)
		if free > 0 {
			slots = plus(slots, each-slotBytes) // base includes the first slot with the default context
		}
		note := fmt.Sprintf("upper bound for a %s model: %d × %s", class, s.slots-free, Size(each))
		return []Term{
			{"rule of thumb: model", share(base, 1, s.group), from},
			{ruleName, share(slots, 1, s.group), note},
		}
	}, nil
}

func slotClass(billions float64) (int64, string) {
	switch {
	case billions <= 7.7: // models called 7B have up to 7.6
		return smallSlot, "small (1-7B)"
	case billions <= 20:
		return mediumSlot, "medium (7-20B)"
	}
	return largeSlot, "large (20B+)"
}

// parameterCount matches "7b", "3.8B", "8x22b" and similar.
var parameterCount = regexp.MustCompile(`(?i)(?:^|[:\-_ ])(?:(\d+)x)?(\d+(?:\.\d+)?)b(?:$|[\-_ ])`)

// billions returns the number of parameters in billions: from the YAML, from the name or the notes, or estimated from
// the memory with the 4 to 5 bits per parameter of Ollama's usual quantisations.
func billions(m modelcfg.Model, a modelcfg.Architecture, memory int64) float64 {
	for _, s := range []string{m.Info["parameters"], m.Name, m.Notes} {
		if f := parameterCount.FindStringSubmatch(strings.TrimSpace(s)); f != nil {
			n, _ := strconv.ParseFloat(f[2], 64)
			if experts, err := strconv.ParseFloat(f[1], 64); err == nil {
				n *= experts
			}
			return n
		}
	}
	const bytesPerParameter = 0.6
	if a.WeightsBytes > 0 {
		memory = a.WeightsBytes
		return float64(memory) / bytesPerParameter / 1e9
	}
	// About half of a memory requirement is weights for small models; any sensible share gives the same class.
	return math.Round(float64(memory) / 2 / bytesPerParameter / 1e9)
}

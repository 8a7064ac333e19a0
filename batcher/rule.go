package batcher

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"fluxworker/modelcfg"
)

// UnknownSizeError is a model of which neither architecture nor memory is known, so that nothing can be planned.
type UnknownSizeError struct {
	Model string
}

func (e *UnknownSizeError) Error() string {
	return fmt.Sprintf("%s: neither its architecture nor its memory is known; pull the model, or give architecture or requirements.min_gpu_memory in a model YAML", e.Model)
}

// The rule of thumb of LLMFlux's model list: memory for each increase of the batch size by one, at its upper end, by the
// model's billions of parameters. It is far above what a slot of 4096 tokens takes with today's models.
const (
	smallSlot  = 4 * gib // up to 7
	mediumSlot = 8 * gib // up to 20
	largeSlot  = 16 * gib
)

// ruleOfThumb takes the weights where their size is known, else min_gpu_memory or gpu_memory of the YAML, as what a server
// with one slot needs, and adds the rule's memory for each further slot. Beyond DefaultContext slots grow with the context.
func ruleOfThumb(m modelcfg.Model, a modelcfg.Architecture) (demand, error) {
	base, from := m.Requirements.MinGPUMemory, "requirements.min_gpu_memory"
	if base == 0 {
		base, from = m.Resources.GPUMemory, "resources.gpu_memory"
	}
	slotBytes, class := slotClass(billions(m, a, base))
	free := int64(1) // slots that base holds
	if a.WeightsBytes > 0 {
		base, from, free = plus(a.WeightsBytes, runtimeBytes), "size of the model's files, and CUDA runtime", 0
	}
	if base == 0 {
		return nil, &UnknownSizeError{m.Name}
	}
	return func(s shape) []Term {
		each := times(slotBytes, max(s.context, DefaultContext)) / DefaultContext
		slots := times(s.slots-free, each)
		if free > 0 {
			slots = plus(slots, each-slotBytes) // the first slot is in base, with the default context
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
	case billions <= 7.7: // what is called 7B has up to 7.6
		return smallSlot, "small (1-7B)"
	case billions <= 20:
		return mediumSlot, "medium (7-20B)"
	}
	return largeSlot, "large (20B+)"
}

// parameterCount finds "7b", "3.8B", "8x22b" and the like.
var parameterCount = regexp.MustCompile(`(?i)(?:^|[:\-_ ])(?:(\d+)x)?(\d+(?:\.\d+)?)b(?:$|[\-_ ])`)

// billions is the number of parameters: as the YAML says, as the name or the notes say, or as many as fit the memory at the 4 to 5 bits
// of Ollama's usual quantisations.
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
	// Of a memory requirement about half is weights of small models; the class is the same with any sensible share.
	return math.Round(float64(memory) / 2 / bytesPerParameter / 1e9)
}

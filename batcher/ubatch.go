package batcher

import (
	"fmt"
	"slices"
	"strings"
)

// defaultUbatch is the number of prompt tokens that Ollama lets a server process at once if it does not choose more (v0.34.3
// server/sched.go, llamaServerGenerationBatchDefault; the generation before always has it).
const defaultUbatch = 512

// automaticUbatches are the values between which Ollama chooses (v0.34.3 server/sched.go, generationBatchForContext), the largest
// first.
var automaticUbatches = []int64{2048, 1024, defaultUbatch}

// ubatches returns the values from which a plan chooses, the largest first.
//
// Ollama's engine can fail to load a model with a gated delta net with 2048 tokens ("GGML_ASSERT(obj_new) failed"). A recurrent layer
// has 17 tensors for each chunk of 64 tokens, and a graph has room for 32 tensors for each tensor of the file (v0.24.0
// model/models/qwen3next/deltanet.go, and maxGraphNodes in ml/backend/ggml/ggml.go). The tensors of an image encoder make room, too,
// so only files without one fail.
func (j job) ubatches(family string, w Request, ruleOfThumb bool) []int64 {
	switch {
	case w.Ubatch > 0:
		return []int64{int64(w.Ubatch)}
	case ruleOfThumb:
		return []int64{defaultUbatch}
	case w.Embeds && j.spec.runner == LlamaServer: // v0.34.3 llm/llama_server.go, DefaultEmbeddingNumBatch
		return []int64{min(2048, j.spec.context)}
	case w.Embeds: // v0.24.0 llm/server.go: "embedding model detected, setting batch size to context length"
		return []int64{j.spec.context}
	}
	if j.spec.runner == OllamaEngine && matches(intervalFamilies, family) {
		return automaticUbatches[1:]
	}
	return automaticUbatches
}

// chooseUbatch packs the devices with each ubatch, and returns the best placements (see score), of equal ones those with the
// largest ubatch, which it sets in j. So more memory never gives fewer slots: it gives more slots first, then a larger
// ubatch. If nothing fits, j has the smallest.
func (p *Plan) chooseUbatch(j *job, choices []int64) []placement {
	var best []placement
	var bestScore score
	spec := j.spec
	p.Ubatches = nil
	for _, u := range choices {
		with := *j
		with.spec.ubatch = u
		placements := with.packDevices(p.Devices)
		var s score
		for _, at := range placements {
			s = s.plus(score{slots: at.slots, servers: 1, idle: -len(at.devices)})
		}
		p.Ubatches = append(p.Ubatches, UbatchChoice{Ubatch: int(u), Slots: s.slots})
		if best == nil || s.compare(bestScore) > 0 {
			best, bestScore, spec = placements, s, with.spec
		}
	}
	j.spec = spec
	p.Ubatch = int(spec.ubatch)
	return best
}

// explainUbatch adds the source of the chosen ubatch, with the slots of the other choices.
func (p *Plan) explainUbatch(j job, w Request) {
	from := "asked for"
	switch {
	case w.Ubatch > 0:
	case w.Embeds:
		from = "a whole prompt of an embedder"
	case len(p.Ubatches) < 2:
		from = "default"
	default:
		var others []string
		for _, c := range slices.Backward(p.Ubatches) {
			if c.Ubatch != p.Ubatch {
				others = append(others, fmt.Sprintf("%d would hold %d", c.Ubatch, c.Slots))
			}
		}
		from = "the largest with the most slots; " + strings.Join(others, ", ")
	}
	p.source("ubatch", fmt.Sprintf("%d tokens", j.spec.ubatch), from)
}

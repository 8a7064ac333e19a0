package batcher

import (
	"cmp"
	"fmt"

	"fluxworker/modelcfg"
)

// serverSpec describes a server whose memory is computed. Numbers are at least 1 where nothing else is said.
type serverSpec struct {
	slots   int64
	context int64
	cache   string
	ubatch  int64 // asked for; tokens returns what the server takes
	runner  Runner
	group   int64 // number of devices that share the layers
	noFlash bool
	embeds  bool  // the model makes embeddings
	drafts  int64 // tokens that the server drafts at once, 0 for none
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
		return remembered(func(s serverSpec) []Term { return architectureTerms(a, s) }), false, nil
	}
	d, err := ruleOfThumb(m, a)
	return d, true, err
}

// remembered computes the terms of each server once: layouts of many GPUs have many servers in common.
func remembered(compute memoryFor) memoryFor {
	results := make(map[serverSpec][]Term)
	return func(s serverSpec) []Term {
		terms, there := results[s]
		if !there {
			terms = compute(s)
			results[s] = terms
		}
		return terms
	}
}

func architectureTerms(a modelcfg.Architecture, s serverSpec) []Term {
	if s.runner == OllamaEngine && a.LatentLength > 0 {
		// It also caches the part that serves as value (v0.24.0 model/models/deepseek2/model.go, nn.AttentionWithVMLA).
		a.LatentLength += cmp.Or(a.LatentValueLength, a.LatentLength)
	}
	projector := min(a.ProjectorBytes, a.WeightsBytes)
	weights := max(0, a.WeightsBytes-projector-a.HostBytes)
	terms := []Term{weightsTerm(a, s, weights), kvTerm(a, s)}
	if t, ok := windowTerm(a, s); ok {
		terms = append(terms, t)
	}
	if t, ok := stateTerm(a, s); ok {
		terms = append(terms, t)
	}
	terms = append(terms, computeTerm(a, s))
	if t, ok := draftTerm(a, s); ok {
		terms = append(terms, t)
	}
	if t, ok := scratchTerm(a, s); ok {
		terms = append(terms, t)
	}
	if a.Vision || projector > 0 {
		// The projector is not split: one device holds all of it, and it can be any of them.
		graph := imageBytes(a.Family, s.runner)
		terms = append(terms, Term{"projector", plus(projector, graph),
			fmt.Sprintf("%s of weights apart, and %s to encode an image", Size(projector), Size(graph))})
	}
	if t, ok := pipelineTerm(a, s); ok {
		terms = append(terms, t)
	}
	return append(terms, runtimeTerm())
}

// weightsTerm returns the part of the model's files that goes to the GPUs. The token embedding stays in host memory, unless it is
// the output matrix, too (llama-model.cpp, LLM_TENSOR_LAYER_INPUT). The output matrix counts as one more layer.
func weightsTerm(a modelcfg.Architecture, s serverSpec, bytes int64) Term {
	note := "size of the model's files"
	if a.HostBytes > 0 {
		note += fmt.Sprintf(" without %s that stay in host memory", Size(a.HostBytes))
	}
	if s.group > 1 {
		note = fmt.Sprintf("%s, split over %d GPUs by layers", Size(bytes), s.group)
	}
	return Term{"weights", s.perDevice(bytes, int64(a.Layers)+1), note}
}

const (
	// runtimeBytes is the memory of a CUDA context and the engine's kernels for one process on one GPU. nvidia-smi shows 305 MiB
	// more for a llama-server than its buffers have (three logs of Ollama 0.32), and 82 to 165 MiB elsewhere.
	runtimeBytes = 320 * mib
	// visionBytes is the memory for encoding images besides the projector's weights. Ollama reserves the same (v0.34.3
	// llm/llama_server.go, mmprojOffloadHeadroom).
	visionBytes = gib
)

// imageBytes returns the memory for encoding an image. Ollama's engine computes whole images, with attention between all patches:
// 2.8 GiB for mllama (ollama issue 9311), and 5120² · 16 heads · 4 bytes and more for qwen25vl.
func imageBytes(family string, runner Runner) int64 {
	switch {
	case family == "mllama":
		return 2868 * mib
	case runner == OllamaEngine && family == "qwen25vl":
		return 2 * gib
	}
	return visionBytes
}

const runtimeName = "CUDA runtime"

func runtimeTerm() Term {
	return Term{runtimeName, runtimeBytes, "context and kernels of one process on one GPU, an estimate"}
}

func sum(terms []Term) int64 {
	var total int64
	for _, t := range terms {
		total = plus(total, t.Bytes)
	}
	return total
}

// sumElsewhere returns the memory on a device of a group other than the first.
func sumElsewhere(terms []Term) int64 {
	total := sum(terms)
	for _, t := range terms {
		if t.Name == pipelineName {
			total -= t.Bytes
		}
	}
	return total
}

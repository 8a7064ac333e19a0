package batcher

import "fluxworker/modelcfg"

// runnerBytes is the host memory of a server's processes: the host's part of CUDA, buffers through which the weights go to the
// GPU, prompts and tokens. It is an estimate from above. fluxworker turns the prompt cache of llama-server in host memory off
// (ollama.Settings): by default it grows to 8 GiB in each server.
const runnerBytes = 2 * gib

// Host is the host memory that a plan's servers need, in bytes.
type Host struct {
	// Model is the part of the model in host memory: weights and KV cache on the CPU, or the part that spills to the
	// CPU. 0 if unknown.
	Model int64 `json:"model"`
	// Servers is the memory of their processes besides the model, an estimate from above.
	Servers int64 `json:"servers"`
	// Embedding is the token embedding of models on GPUs, which stays in host memory, once for each server; 0 if unknown or
	// if the output layer on the GPU uses it.
	Embedding int64 `json:"embedding,omitempty"`
	// Buffers is the host's part of the compute buffers of servers with GPUs: a ubatch's inputs, and logits.
	Buffers int64 `json:"buffers,omitempty"`
	// Files is the size of the model's files if its weights go to the GPU; 0 if unknown. The files pass through the
	// page cache, which the kernel reclaims when it needs memory: with less memory a server loads more slowly, and the
	// next server reads the files again.
	Files int64 `json:"files"`
}

// Unreclaimable returns the memory that the kernel cannot reclaim.
func (h Host) Unreclaimable() int64 {
	return plus(plus(h.Model, h.Servers), plus(h.Embedding, h.Buffers))
}

// host returns the host memory for a plan with its servers. It is zero for servers that fluxworker does not start.
func (p *Plan) host(a modelcfg.Architecture, j job, w Request) Host {
	if w.Unchecked {
		return Host{}
	}
	h := Host{Servers: times(int64(len(p.Servers)), runnerBytes)}
	if !w.CPU {
		h.Files = a.WeightsBytes
		for _, s := range p.Servers {
			h.Model = plus(h.Model, times(s.Spill, int64(len(s.Devices)))) // the most that each device lacks
			h.Embedding = plus(h.Embedding, a.HostBytes)
			if known(a) {
				spec := j.spec
				spec.slots, spec.group = int64(s.Slots), int64(len(s.Devices))
				h.Buffers = plus(h.Buffers, hostBuffers(a, spec))
			}
		}
		return h
	}
	if known(a) { // the rule of thumb is for GPUs only
		s := j.spec
		s.slots, s.group = int64(p.Slots), 1
		a.HostBytes = 0 // the weights are in host memory anyway
		weights, cache := weightsAndCache(architectureTerms(a, s))
		h.Model = plus(weights, cache)
	}
	return h
}

// hostBuffers returns the host's part of a server's compute buffers: the inputs of a ubatch, which llama.cpp logs as
// CUDA_Host compute buffer (24.01 MiB = 512 tokens · (8192 cells · 4 + 4096 · 4) for an 8B in versions with f32 masks), and
// the logits of each slot's last token, its output buffer.
func hostBuffers(a modelcfg.Architecture, s serverSpec) int64 {
	vocabulary := int64(a.Vocabulary)
	if vocabulary == 0 {
		vocabulary = unknownVocabulary
	}
	inputs := plus(maskBytes(a, s), times(s.tokens(), int64(a.EmbeddingLength), 4))
	if s.group > 1 {
		inputs = times(pipelineCopies, inputs)
	}
	return plus(inputs, times(s.slots, vocabulary, 4))
}

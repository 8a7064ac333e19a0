package batcher

import "fluxworker/modelcfg"

// runnerBytes is the host memory of a server's processes besides the model: the host's part of CUDA, buffers through
// which the weights go to the GPU, the token embedding that stays in host memory, prompts and tokens. It is an estimate
// from above.
const runnerBytes = 2 * gib

// Host is the host memory that a plan's servers need, in bytes.
type Host struct {
	// Model is the part of the model in host memory: weights and KV cache on the CPU, or the part that spills to the
	// CPU. 0 if unknown.
	Model int64 `json:"model"`
	// Servers is the memory of their processes besides the model, an estimate from above.
	Servers int64 `json:"servers"`
	// Files is the size of the model's files if its weights go to the GPU; 0 if unknown. The files pass through the
	// page cache, which the kernel reclaims when it needs memory: with less memory a server loads more slowly, and the
	// next server reads the files again.
	Files int64 `json:"files"`
}

// Unreclaimable returns the memory that the kernel cannot reclaim.
func (h Host) Unreclaimable() int64 { return plus(h.Model, h.Servers) }

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
		}
		return h
	}
	if known(a) { // the rule of thumb is for GPUs only
		s := j.spec
		s.slots, s.group = int64(p.Slots), 1
		weights, cache := weightsAndCache(architectureTerms(a, s))
		h.Model = plus(weights, cache)
	}
	return h
}

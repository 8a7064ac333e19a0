package batcher

import "fluxworker/modelcfg"

// runnerBytes is what a server's processes hold of host memory beside the model: the host's part of CUDA, buffers through
// which the weights go to the GPU, the token embedding that stays in host memory, prompts and tokens. An estimate from above.
const runnerBytes = 2 * gib

// Host is what a plan's servers need of the node's own memory, in bytes.
type Host struct {
	// Model is what they hold of the model: weights and KV cache on the CPU, else what spills to it. 0 where that is not known.
	Model int64 `json:"model"`
	// Servers is what their processes hold beside the model, an estimate from above.
	Servers int64 `json:"servers"`
	// Files is the size of the model's files where its weights go to the GPU; 0 where it is not known. They pass through the
	// page cache, which the kernel takes back when it needs it: with less memory a server loads slower, and the next one
	// reads the files again.
	Files int64 `json:"files"`
}

// Held is what cannot be taken back.
func (h Host) Held() int64 { return plus(h.Model, h.Servers) }

// host tells it for a plan whose servers are settled. Servers of somebody else are his business.
func (p *Plan) host(a modelcfg.Architecture, j job, w Wish) Host {
	if w.Unchecked {
		return Host{}
	}
	h := Host{Servers: times(int64(len(p.Servers)), runnerBytes)}
	if !w.CPU {
		h.Files = a.WeightsBytes
		for _, s := range p.Servers {
			h.Model = plus(h.Model, times(s.Spill, int64(len(s.Devices)))) // each device lacks at most that
		}
		return h
	}
	if Known(a) { // a rule of thumb for GPUs says nothing here
		s := j.shape
		s.slots, s.group = int64(p.Slots), 1
		weights, cache := split(architectureTerms(a, s))
		h.Model = plus(weights, cache)
	}
	return h
}

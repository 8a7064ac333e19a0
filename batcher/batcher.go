// Package batcher decides how a model is served: on which GPUs, by how many servers, with how many slots and how much
// context each. It is pure arithmetic on what it is given and does no I/O, so that a plan can be checked, printed and tested
// without a machine.
//
// What a server does with a plan: it gives each slot its own context and its own share of the KV cache, whose memory grows
// with slots times context, and it answers as many rows at once as it has slots. An engine that lacks memory does not
// refuse: it moves layers to the CPU, many times slower. So nothing is planned past the headroom, which is what was measured
// free less a reserve, and what cannot be known exactly is estimated from above.
//
// Invariants of every plan whose memory was checked, with layers left to the CPU or a shortened context aside: on no device
// do the servers' bytes exceed the headroom; more memory and more devices never give fewer slots, more context never more;
// no layout with a server on each device has more slots, or as many; the same input gives the same plan.
package batcher

import (
	"fluxworker/gpu"
	"fluxworker/modelcfg"
)

const (
	// DefaultSlots is for a model whose YAML does not say; it is LLMFlux's default batch size.
	DefaultSlots = 4
	// MaxSlots is far beyond what a GPU holds and bounds connections and goroutines.
	MaxSlots = 4096
	// DefaultContext is the tokens in a slot, prompt and answer together, where nobody says.
	DefaultContext = 4096

	// mostAutomatic is how many slots are taken unasked where the YAML has no range: decoding is bound by reading the
	// weights, which all slots share, up to about that many; above it more slots cost memory and win little.
	mostAutomatic = 64
)

// Wish is what the user asked for.
type Wish struct {
	// Slots is for each server, and how many servers share a GPU where the family is forced to one slot each: 1 to
	// MaxSlots; 0 takes what the memory holds.
	Slots int
	// Context is the tokens in each slot, at least 1; 0 is DefaultContext.
	Context int
	// MinContext allows less context, not below this, where not even one slot fits with Context; 0 does not allow it.
	MinContext int
	// KVCacheType is "f16", "q8_0" or "q4_0"; empty is f16.
	KVCacheType string
	// NoFlashAttention is why the engine will not use flash attention; empty if it will. Without it attention scores cost
	// memory, and the KV cache is f16 whatever KVCacheType says.
	NoFlashAttention string
	// AllowCPULayers lets layers that do not fit go to the CPU.
	AllowCPULayers bool
	// CPU means that no GPU is expected: one server, whose memory is not checked.
	CPU bool
	// Unchecked plans one server without looking at memory, for GPUs that were not measured.
	Unchecked bool
}

// Plan is how the model is served.
type Plan struct {
	// Slots is how many rows are answered at the same time, by all servers together.
	Slots int `json:"slots"`
	// Context is the tokens in each slot, prompt and answer together.
	Context     int    `json:"context"`
	KVCacheType string `json:"kv_cache_type"`
	// Servers are in the order of their first device. There is at least one.
	Servers []Server `json:"servers"`
	Host    Host     `json:"host"`
	// Devices are all devices given, in that order; none where memory was not checked.
	Devices []Budget `json:"devices,omitempty"`
	// RuleOfThumb means that the model's architecture is not known and the bytes are rough upper bounds.
	RuleOfThumb bool     `json:"rule_of_thumb,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
	Sources     []Source `json:"sources,omitempty"`
}

// Server is one server process.
type Server struct {
	// Devices are what it sees; none means that the devices were not measured, or the CPU.
	Devices []gpu.Device `json:"devices,omitempty"`
	// Headroom is, for each of Devices, what the device has for all its servers together, in bytes.
	Headroom []int64 `json:"headroom,omitempty"`
	Slots    int     `json:"slots"`
	// Terms are what the server needs on each of its devices. Layers are split evenly; the terms are those of the
	// device with the most.
	Terms []Term `json:"terms,omitempty"`
	// Bytes is the sum of Terms.
	Bytes int64 `json:"bytes"`
	// Spill is how many of Bytes the device lacks and the CPU has to hold; 0 unless Wish.AllowCPULayers.
	Spill int64 `json:"spill,omitempty"`
}

// Term is one part of a server's memory on one device.
type Term struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	// Note is how the number came about, for people.
	Note string `json:"note"`
}

// Budget is the memory of one device, in bytes: Headroom is Free less Reserve, at least 0, and Planned, what all servers on
// it need there, is at most Headroom.
type Budget struct {
	Device   gpu.Device `json:"device"`
	Free     int64      `json:"free"`
	Reserve  int64      `json:"reserve"`
	Headroom int64      `json:"headroom"`
	Planned  int64      `json:"planned"`
	// Unusable is why no server can be on it; empty if one can.
	Unusable string `json:"unusable,omitempty"`
}

// SlotsWanted is the Source of how many slots a server should have.
const SlotsWanted = "slots wanted"

// Source says where a number of the plan came from.
type Source struct {
	What  string `json:"what"`
	Value string `json:"value"`
	From  string `json:"from"`
}

// Known says whether a has what the arithmetic needs. Where it has not, a rule of thumb takes its place.
func Known(a modelcfg.Architecture) bool {
	return a.WeightsBytes > 0 && a.Layers > 0 && len(a.KVHeads) == a.Layers && a.EmbeddingLength > 0 &&
		(a.LatentLength > 0 || a.KeyLength > 0 && a.ValueLength > 0)
}

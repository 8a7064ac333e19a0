// Package batcher plans how to serve a model: on which GPUs, with how many servers, slots and tokens of context. It is
// pure arithmetic on its arguments and does no I/O, so a plan can be checked, printed and tested without a machine.
//
// A server gives each slot its own context and its own share of the KV cache. The memory of the cache grows with slots
// times context, and the server answers as many rows at the same time as it has slots. An engine without enough memory
// does not fail: it moves layers to the CPU, which is many times slower. So a plan never exceeds the headroom, which is
// the measured free memory less a reserve, and values that are not known exactly are estimated from above.
//
// Invariants of every plan with checked memory, except for plans with layers on the CPU or a shortened context: on no
// device do the servers' bytes exceed the headroom. More memory or more devices never give fewer slots, and more
// context never gives more. No layout with a server on each device has as many slots or more. The same input gives the
// same plan.
package batcher

import (
	"fluxworker/gpu"
	"fluxworker/modelcfg"
)

const (
	// DefaultSlots is the number of slots if the model's YAML has none; it is LLMFlux's default batch size.
	DefaultSlots = 4
	// MaxSlots is the maximum number of slots of a server: the engines of both generations refuse more sequences
	// ("n_seq_max must be <= 256").
	MaxSlots = 256
	// DefaultContext is the default context of a slot in tokens, prompt and answer together.
	DefaultContext = 4096

	// maxAutomaticSlots is the maximum number of slots per server if neither the user nor the YAML gives a limit. Up to
	// about this number, decoding is limited by reading the weights, which all slots share; beyond it more slots need
	// memory and gain little.
	maxAutomaticSlots = 64
)

// Request is the user's request.
type Request struct {
	// Slots is the number of slots per server. If the model's family allows only one slot per server, it is the number
	// of servers per GPU. The range is 1 to MaxSlots; 0 uses as many as the memory holds.
	Slots int
	// Context is the tokens per slot, at least 1; 0 means DefaultContext.
	Context int
	// MinContext is the shortest context to use if not even one slot fits with Context; 0 allows no shorter context.
	MinContext int
	// Ubatch is the number of prompt tokens that a server processes at once, 1 or more; 0 chooses it. A larger one processes
	// prompts faster, and a smaller one leaves room for slots.
	Ubatch int
	// Runner is the program that computes the model; empty means LlamaServer. See RunnerOf.
	Runner Runner
	// Drafts is the number of tokens that a llama-server drafts at once with the model's own blocks (draft_num_predict); 0
	// means that it drafts none.
	Drafts int
	// Embeds means that the model makes embeddings. Then a ubatch must hold a whole prompt.
	Embeds bool
	// KVCacheType is "f16", "q8_0" or "q4_0"; empty means f16.
	KVCacheType string
	// NoFlashAttention is the reason why the engine will not use flash attention; empty if it will. Without flash
	// attention the attention scores need memory, and the KV cache is f16 regardless of KVCacheType.
	NoFlashAttention string
	// AllowCPULayers allows layers on the CPU if they do not fit.
	AllowCPULayers bool
	// Learned is what an earlier run measured; nil without such a run.
	Learned *Learned
	// CPU plans one server without a GPU. Its memory is not checked.
	CPU bool
	// Unchecked plans one server without checking memory, for GPUs that were not measured.
	Unchecked bool
}

// Plan describes how to serve the model.
type Plan struct {
	// Slots is the number of rows that all servers together answer at the same time.
	Slots int `json:"slots"`
	// Context is the tokens per slot, prompt and answer together.
	Context     int    `json:"context"`
	KVCacheType string `json:"kv_cache_type"`
	// Ubatch is the number of prompt tokens that each server processes at once; 0 leaves the number to the server, whose memory
	// was not checked.
	Ubatch int `json:"ubatch,omitempty"`
	// Ubatches holds the choices for Ubatch, the largest first, with the slots of all servers; empty if memory was not checked.
	Ubatches []UbatchChoice `json:"ubatches,omitempty"`
	// Servers holds at least one server, in the order of their first device.
	Servers []Server `json:"servers"`
	Host    Host     `json:"host"`
	// Devices holds all given devices in their order; empty if memory was not checked.
	Devices []Budget `json:"devices,omitempty"`
	// RuleOfThumb is true if the model's architecture is unknown and the bytes are rough upper bounds.
	RuleOfThumb bool     `json:"rule_of_thumb,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
	Sources     []Source `json:"sources,omitempty"`
}

// UbatchChoice is a value of Plan.Ubatch and the number of slots that all servers would have with it.
type UbatchChoice struct {
	Ubatch int `json:"ubatch"`
	Slots  int `json:"slots"`
}

// Server is one server process.
type Server struct {
	// Devices are the server's devices; empty for the CPU and for devices that were not measured.
	Devices []gpu.Device `json:"devices,omitempty"`
	// Headroom holds, for each of Devices, the bytes that all its servers together may use.
	Headroom []int64 `json:"headroom,omitempty"`
	Slots    int     `json:"slots"`
	// Terms is the memory that the server needs on its first device. Layers are split evenly; Terms describes the
	// device with the largest part.
	Terms []Term `json:"terms,omitempty"`
	// Bytes is the sum of Terms.
	Bytes int64 `json:"bytes"`
	// BytesElsewhere is the memory on each further device, at most Bytes: only the first holds copies of the inputs. 0 for a
	// server with one device.
	BytesElsewhere int64 `json:"bytes_elsewhere,omitempty"`
	// Spill is the part of Bytes that does not fit the device and goes to the CPU; 0 unless Request.AllowCPULayers is set.
	Spill int64 `json:"spill,omitempty"`
}

// Term is one part of a server's memory on one device.
type Term struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	// Note explains the number to the user.
	Note string `json:"note"`
}

// Budget is the memory of one device in bytes. Headroom is Free less Reserve, at least 0. Planned is the memory of all
// servers on the device and is at most Headroom.
type Budget struct {
	Device   gpu.Device `json:"device"`
	Free     int64      `json:"free"`
	Reserve  int64      `json:"reserve"`
	Headroom int64      `json:"headroom"`
	Planned  int64      `json:"planned"`
	// Unusable is the reason why the device can have no server; empty if it can.
	Unusable string `json:"unusable,omitempty"`
}

// SlotsWanted is the Source.What of the wanted slots per server.
const SlotsWanted = "slots wanted"

// Source is the origin of a number in the plan.
type Source struct {
	What  string `json:"what"`
	Value string `json:"value"`
	From  string `json:"from"`
}

// known reports whether a has all values for the arithmetic. If not, a rule of thumb is used.
func known(a modelcfg.Architecture) bool {
	return a.WeightsBytes > 0 && a.Layers > 0 && len(a.KVHeads) == a.Layers && a.EmbeddingLength > 0 &&
		(a.LatentLength > 0 || a.KeyLength > 0 && a.ValueLength > 0)
}

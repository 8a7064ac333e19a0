// Package modelcfg reads and checks model YAML files and carries the catalog of the models that fluxworker knows by name.
//
// A file holds one model, or a map of models under the key "models". The sections are those of LLMFlux's files, plus
// architecture, notes and the keys that tie a name to an Ollama tag. For every key "NA" and null mean that it is absent.
// A wrong type or a value out of range is an error, an unknown key only a warning: files written for other tools must
// load, but nothing that is read may be silently misunderstood.
//
// In the catalog resources.batch_size is a cautious start, 2 to 12 slots by size. The high end of
// validation.batch_size_range is where more slots stop paying, not where memory ends: 64 for models up to 20B, 32 up to 40B,
// 16 above, so that a plan takes the memory that is there. Neither it nor requirements.min_gpu_memory says what fits: that
// is computed from the architecture.
//
// Numbers in a model YAML are claims. They let a run be planned before a server exists; what the server and the GPU
// report later takes precedence.
package modelcfg

// NoTag is the value of Model.Ollama for a model that Ollama's library does not have.
const NoTag = "NA"

// Model is one model's configuration. Zero values and nil mean that the file did not say. A Model from a Catalog shares its
// maps, slices and pointers with it: read, do not modify.
type Model struct {
	// File is the path the model was read from; for the embedded catalog relative to it ("llama3.2/3b.yaml"); empty if
	// no file is known for the model.
	File string
	// Name is what users call the model: an Ollama tag, a catalog name such as "llama3.2:3b", or "custom:my-model".
	Name string
	// GGUF is the model's file, where it is not to be looked for among Ollama's models; an absolute path, or one relative to
	// the current folder. GGUFProjector is the file that encodes its images, empty where there is none.
	GGUF, GGUFProjector string
	// HFName is the model's repository on Hugging Face. Informational.
	HFName string
	// Ollama is the tag to ask Ollama for where it differs from Name, or NoTag. Use Tag.
	Ollama string
	// OllamaNote says why the tag differs from the name, or why there is none.
	OllamaNote string
	// Alternatives are existing Ollama tags nearest to a model that has none.
	Alternatives []string
	// Notes is a remark for people.
	Notes string

	Resources    Resources
	Parameters   Parameters
	System       System
	Validation   Validation
	Requirements Requirements
	Architecture Architecture
	// Info holds the scalars of section model_info as written. Informational.
	Info map[string]string
}

// Resources is what a run of the model may use.
type Resources struct {
	// GPULayers is how many layers go to the GPU: -1 or nil is all of them, 0 none. See PartialGPULayers.
	GPULayers *int
	// GPUMemory is in bytes, more than 0; 0 is unset.
	GPUMemory int64
	// BatchSize is the wanted number of slots, 1 to 4096; 0 is unset.
	BatchSize int
}

// Parameters are the sampling defaults of requests that do not set their own.
type Parameters struct {
	// Temperature is 0 to 2. A pointer because 0 asks for greedy decoding.
	Temperature *float64
	// TopP is 0 to 1.
	TopP *float64
	// TopK is 0 to 1000000; 0 turns the limit off.
	TopK *int
	// MaxTokens is the most tokens to generate, 1 to 10000000; 0 is unset.
	MaxTokens int
	// StopSequences end a generation. Nil is unset, empty is none.
	StopSequences []string
}

// System is the system message of requests that bring none.
type System struct {
	// Prompt is the message; empty is none.
	Prompt string
}

// Range is an inclusive range, Low <= High.
type Range struct {
	Low, High float64
}

// Contains says whether v lies in the range.
func (r Range) Contains(v float64) bool { return v >= r.Low && v <= r.High }

// Validation limits what parameters and resources may be set to. Load applies it to the file's own values.
type Validation struct {
	// TemperatureRange lies within 0 to 2; nil is unset.
	TemperatureRange *Range
	// MaxTokensLimit is the highest max_tokens allowed; 0 is unset.
	MaxTokensLimit int
	// BatchSizeRange holds whole numbers within 1 to 4096; nil is unset.
	BatchSizeRange *Range
}

// Requirements is what the model asks of the machine.
type Requirements struct {
	// MinGPUMemory is in bytes; 0 is unset.
	MinGPUMemory int64
	// RecommendedGPU is for people, such as "A100 80GB".
	RecommendedGPU string
	// CUDAVersion is for people, such as ">=12.0".
	CUDAVersion string
	// CPUThreads is 1 to 4096; 0 is unset.
	CPUThreads int
	// GPUMemoryUtilization is the share of the GPU's memory that may be used, 0.01 to 1; 0 is unset.
	GPUMemoryUtilization float64
	// ContextWindow is the longest context the model was made for, in tokens; 0 is unset. What a slot gets is the
	// plan's decision.
	ContextWindow int
}

// Architecture holds the numbers that weights and KV cache are computed from. Sizes are those of the tag's own
// quantisation.
type Architecture struct {
	// Source says where the numbers are from.
	Source string
	// Family is the general.architecture of the model's GGUF, such as "llama" or "mllama".
	Family string
	// WeightsBytes is the size of the model's files, projector included.
	WeightsBytes int64
	// ProjectorBytes is the part of WeightsBytes that turns images into tokens; 0 is none, or not known apart.
	ProjectorBytes int64
	// Layers is the number of blocks, output layer not counted.
	Layers int
	// Heads is the number of attention heads of one layer.
	Heads int
	// KVHeads is the number of KV heads of each layer, always Layers long; nil if unknown.
	KVHeads []int
	// KeyLength and ValueLength are the sizes of one head's key and value, in elements.
	KeyLength, ValueLength int
	// LatentLength is, of models with multi-head latent attention, how many elements a layer caches for a token in
	// place of keys and values; 0 is for all others.
	LatentLength int
	// EmbeddingLength is the width of the model, in elements.
	EmbeddingLength int
	// FeedForwardLength is the width of the feed-forward network, of one expert where there are several; 0 is unknown.
	FeedForwardLength int
	// ExpertsUsed is how many experts each token runs through; 0 is a model without experts.
	ExpertsUsed int
	// Vocabulary is the number of tokens the model knows; 0 is unknown.
	Vocabulary int
	// ContextLength is where Ollama clamps num_ctx, in tokens. It can exceed Requirements.ContextWindow.
	ContextLength int
	// SlidingWindow is the attention window of the layers that have one, in tokens; 0 is none.
	SlidingWindow int
	// SlidingWindowPattern is n where every n-th layer has full attention and the others the window; 0: all have
	// the window. Meaningless without SlidingWindow.
	SlidingWindowPattern int
	// StateBytes is what one slot takes whatever its context is: the state of recurrent layers, and the keys and values
	// of an image where a model attends to it in layers of its own.
	StateBytes int64
	// Vision says that the model takes images.
	Vision bool
	// SingleSlot says that Ollama gives the family one slot per server, whatever it is asked for.
	SingleSlot bool
}

// Tag is the name to ask Ollama for; empty if Ollama has no such model.
func (m *Model) Tag() string {
	switch m.Ollama {
	case "":
		return m.Name
	case NoTag:
		return ""
	}
	return m.Ollama
}

// PartialGPULayers says how many of the model's layers the file wants on the GPU, and whether that leaves some on the CPU.
// Where the file does not know its layers, layers is 0 and gpuLayers what the file says (-1: all); partial is then true
// only for 0, and the caller compares with the model's own metadata.
func (m *Model) PartialGPULayers() (gpuLayers, layers int, partial bool) {
	layers = m.Architecture.Layers
	want := -1
	if m.Resources.GPULayers != nil {
		want = *m.Resources.GPULayers
	}
	switch {
	case layers == 0:
		return want, 0, want == 0
	case want < 0 || want >= layers:
		return layers, layers, false
	}
	return want, layers, true
}

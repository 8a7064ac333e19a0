// Package modelcfg reads and validates model YAML files, and contains the catalog of models that fluxworker knows by
// name.
//
// A file holds one model, or a map of models under the key "models". The sections are those of LLMFlux's files, plus
// architecture, notes and the keys that connect a name to an Ollama tag. For every key, "NA" and null mean that the key
// is absent. A wrong type or a value out of range is an error; an unknown key is only a warning. So files for other
// tools load, and no value is silently misunderstood.
//
// In the catalog's files for one model, resources.batch_size is a cautious start, 2 to 12 slots depending on the size.
// The upper end of validation.batch_size_range is the number of slots above which more slots gain little, not a memory
// limit: 64 for models up to 20B, 32 up to 40B, and 16 above, so that a plan can use all available memory. Neither this
// range nor requirements.min_gpu_memory says what fits: that is computed from the architecture. The catalog's maps of
// models have no such settings: the defaults apply.
//
// Numbers in a model YAML are claims. They allow a plan before a server exists; later reports of the server and the GPU
// take precedence.
package modelcfg

// NoTag is the value of Model.Ollama for a model that is not in Ollama's library.
const NoTag = "NA"

// Model is the configuration of one model. Zero values and nil mean that the file has no value. A Model from a Catalog
// shares its maps, slices and pointers with the catalog: do not modify them.
type Model struct {
	// File is the path of the model's file; for the embedded catalog it is relative to the catalog
	// ("llama3.2/3b.yaml"); empty if the model has no file.
	File string
	// Name is the user's name for the model: an Ollama tag, a catalog name such as "llama3.2:3b", or "custom:my-model".
	Name string
	// GGUF is the path of the model's GGUF file, if the model is not one of Ollama's models. It is absolute or relative
	// to the current folder. GGUFProjector is the file that encodes images; empty for a model without such a file.
	GGUF, GGUFProjector string
	// HFName is the model's repository on Hugging Face, for information only.
	HFName string
	// Ollama is the Ollama tag if it differs from Name, or NoTag. Use the method Tag.
	Ollama string
	// OllamaNote is the reason why the tag differs from the name or does not exist.
	OllamaNote string
	// Alternatives are the most similar existing Ollama tags for a model without a tag, and the most similar names of the
	// catalog for a tag that it lacks.
	Alternatives []string
	// Notes is a remark for users.
	Notes string

	Resources    Resources
	Parameters   Parameters
	System       System
	Validation   Validation
	Requirements Requirements
	Architecture Architecture
	// Info holds the scalars of section model_info as written, for information only.
	Info map[string]string
}

// Resources limits the resources of a run with the model.
type Resources struct {
	// GPULayers is the number of layers on the GPU: -1 or nil for all, 0 for none. See PartialGPULayers.
	GPULayers *int
	// GPUMemory is in bytes; 0 means unset.
	GPUMemory int64
	// BatchSize is the wanted number of slots, 1 to 4096; 0 means unset.
	BatchSize int
}

// Parameters are the default sampling options of requests.
type Parameters struct {
	// Temperature is 0 to 2; nil means unset, 0 means greedy decoding.
	Temperature *float64
	// TopP is 0 to 1.
	TopP *float64
	// TopK is 0 to 1000000; 0 disables the limit.
	TopK *int
	// MaxTokens is the maximum number of generated tokens, 1 to 10000000; 0 means unset.
	MaxTokens int
	// StopSequences end a generation. Nil means unset; an empty list means none.
	StopSequences []string
	// JSONSchema is the path of a JSON Schema for the answers, absolute or relative to the current folder; empty means text.
	JSONSchema string
}

// System is the system message of requests without one.
type System struct {
	// Prompt is the message; empty means none.
	Prompt string
}

// Range is an inclusive range, Low <= High.
type Range struct {
	Low, High float64
}

// Contains reports whether v is in the range.
func (r Range) Contains(v float64) bool { return v >= r.Low && v <= r.High }

// Validation limits the values of parameters and resources. Resolve applies it to the file's own values.
type Validation struct {
	// TemperatureRange is within 0 to 2; nil means unset.
	TemperatureRange *Range
	// MaxTokensLimit is the maximum of max_tokens; 0 means unset.
	MaxTokensLimit int
	// BatchSizeRange holds whole numbers within 1 to 4096; nil means unset.
	BatchSizeRange *Range
}

// Requirements are the model's requirements on the machine.
type Requirements struct {
	// MinGPUMemory is in bytes; 0 means unset.
	MinGPUMemory int64
	// RecommendedGPU is for information only, such as "A100 80GB".
	RecommendedGPU string
	// CUDAVersion is for information only, such as ">=12.0".
	CUDAVersion string
	// CPUThreads is 1 to 4096; 0 means unset.
	CPUThreads int
	// GPUMemoryUtilization is the usable share of the GPU's free memory, 0.01 to 1; 0 means unset.
	GPUMemoryUtilization float64
	// ContextWindow is the longest context for which the model was made, in tokens; 0 means unset. The plan decides the
	// context of a slot.
	ContextWindow int
}

// Architecture holds the numbers from which the sizes of weights and KV cache are computed. Sizes are for the tag's own
// quantisation.
type Architecture struct {
	// Source is the origin of the numbers.
	Source string
	// Family is general.architecture of the model's GGUF, such as "llama" or "mllama".
	Family string
	// WeightsBytes is the size of the model's files, including the projector.
	WeightsBytes int64
	// ProjectorBytes is the part of WeightsBytes that converts images to tokens; 0 means none or unknown.
	ProjectorBytes int64
	// HostBytes is the part of WeightsBytes that stays in host memory: the token embedding, unless the output layer uses
	// it, too. 0 means none or unknown.
	HostBytes int64
	// Layers is the number of blocks without the output layer and without DraftLayers.
	Layers int
	// DraftLayers is the number of further blocks that predict more than one token (MTP); 0 for most models.
	DraftLayers int
	// Heads is the number of attention heads per layer.
	Heads int
	// KVHeads is the number of KV heads of each layer; its length is Layers. It is 0 for a layer without a KV cache of its
	// own, such as a recurrent layer. Nil means unknown.
	KVHeads []int
	// KeyLength and ValueLength are the sizes of one head's key and value in elements.
	KeyLength, ValueLength int
	// WindowKeyLength and WindowValueLength are those sizes in layers with an attention window; 0 means that they are the
	// same as in other layers.
	WindowKeyLength, WindowValueLength int
	// LatentLength is the number of elements that a layer with multi-head latent attention caches per token instead of
	// keys and values; 0 for other models. LatentValueLength is the part that serves as value; 0 means unknown.
	LatentLength, LatentValueLength int
	// EmbeddingLength is the width of the model in elements.
	EmbeddingLength int
	// FeedForwardLength is the width of the feed-forward network, or of one expert; 0 means unknown.
	FeedForwardLength int
	// ExpertsUsed is the number of experts per token; 0 for a model without experts.
	ExpertsUsed int
	// Vocabulary is the number of tokens in the vocabulary; 0 means unknown.
	Vocabulary int
	// ContextLength is Ollama's upper limit of num_ctx in tokens. It can exceed Requirements.ContextWindow.
	ContextLength int
	// SlidingWindow is the attention window of the layers that have one, in tokens; 0 means none.
	SlidingWindow int
	// SlidingWindowPattern is n if every n-th layer has full attention and the others have the window; 0 means that all
	// layers have the window. It has no meaning without SlidingWindow.
	SlidingWindowPattern int
	// SlidingLayers says for each layer whether it has the window; its length is Layers. It overrides
	// SlidingWindowPattern; nil means that SlidingWindowPattern and the family decide.
	SlidingLayers []bool
	// RecurrentLength is the number of elements per token that a recurrent layer needs while it computes; 0 for models
	// without recurrent layers, or unknown.
	RecurrentLength int
	// StateBytes is the memory per slot that does not depend on the context: the state of recurrent layers, and the
	// keys and values of an image for models with separate layers that attend to images.
	StateBytes int64
	// Vision is true if the model accepts images.
	Vision bool
	// SingleSlot is true if Ollama gives the family only one slot per server.
	SingleSlot bool
}

// Tag returns the Ollama tag; empty if Ollama does not have the model.
func (m *Model) Tag() string {
	switch m.Ollama {
	case "":
		return m.Name
	case NoTag:
		return ""
	}
	return m.Ollama
}

// PartialGPULayers returns how many of the model's layers the file puts on the GPU, and whether some remain on the CPU.
// If the file has no number of layers, layers is 0, gpuLayers is the file's value (-1 for all), and partial is true
// only for 0; the caller must compare with the model's metadata.
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

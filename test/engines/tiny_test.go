package engines

import "fluxworker/test/harness"

// tiny is one of the models that "make engine" makes. All follow the same rule.
type tiny struct {
	name         string // in the store, and of its GGUF
	architecture string // its GGUF's general.architecture
	built        string // what it is built like, for people
	sees         bool
	// oldOwn says that the old generation runs it by an engine of its own and not by its llama.cpp.
	oldOwn bool
	// notNew is what the new generation says, which cannot load it; empty where it can.
	notNew string
	// slack is how many times the cache may be smaller than planned where the old generation's own engine runs the model, 0 for
	// once.
	slack float64
	// context is what it is run with, 0 for defaultContext: twice the windows and more.
	context int
	// says is what it answers to each row, empty for what the rule says of the row's prompt.
	says string
	// embeds says that it makes vectors and nothing else.
	embeds bool
}

var tinies = []tiny{
	{name: "bigram", architecture: "llama", built: "Llama 3"},
	{name: "tiny-mistral", architecture: "llama", built: "Mistral 7B: Llama 2's kind of tokenizer"},
	{name: "tiny-nemo", architecture: "llama", built: "Mistral NeMo: a tokenizer of its own"},
	{name: "tiny-mixtral", architecture: "llama", built: "Mixtral: 4 experts, 2 of them used for each token"},
	{name: "tiny-mistral3", architecture: "mistral3", built: "Mistral Small 3.1 and later, without images", oldOwn: true},
	{name: "tiny-qwen2", architecture: "qwen2", built: "Qwen 2.5: biases in the attention"},
	{name: "tiny-phi3", architecture: "phi3", built: "Phi 3 mini: joint matrices, a window that engines ignore"},
	{name: "tiny-gemma3", architecture: "gemma3", built: "Gemma 3: windows in five layers of six", oldOwn: true, context: 4096},
	{name: "tiny-gemma3-vision", architecture: "gemma3", built: "Gemma 3 with images, the projector in a file of its own", sees: true},
	// Debian's llama-server lacks Ollama's patch for projectors in the model's file.
	{name: "tiny-gemma3-whole", architecture: "gemma3", built: "Gemma 3 with images, all in one file as in Ollama's library",
		sees: true, oldOwn: true, notNew: "Failed to load CLIP model"},
	// Planned for four tiles of an image, and for a cache in the layer that looks at it.
	{name: "tiny-mllama", architecture: "mllama", built: "Llama 3.2 Vision: cross-attention to the image",
		sees: true, oldOwn: true, slack: 3, notNew: "unknown model architecture: 'mllama'"},
}

// loads says whether a generation can load the model.
func (m tiny) loads(g harness.Generation) bool { return m.notNew == "" || g.Name == "old" }

// able is one of the tiny models that can do what not every model can. How it is asked and what it answers is with its test.
type able struct {
	name, architecture string
	does               string // for people
	test               string
}

var ables = []able{
	{"tiny-tools", "llama", "calls tools, by a template of Ollama's kind and one in its file", "TestToolsOnEngines, TestToolsOfAFile"},
	{"tiny-thinking", "llama", "thinks as much as it is told to, and calls a tool at the end of a thought; by templates as tiny-tools has", "TestThinkingOnEngines, TestThinkingOfAFile"},
	{"tiny-bert", "bert", "makes vectors and nothing else", "TestEmbedder, TestEmbedderFile, TestVectorsAreTheServers, TestRowsShareRequestsForVectors"},
}

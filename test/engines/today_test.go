package engines

import "fluxworker/test/harness"

// todays are test models of the architectures that popular models have today. They follow the same rule as the others. Their
// contexts are above their windows, and above the 4096 tokens of a window that the old generation's own engine keeps of some.
var todays = []tiny{
	{name: "tiny-qwen3", architecture: "qwen3", built: "Qwen 3: norms on queries and keys", context: 4096, oldOwn: true},
	{name: "tiny-qwen3moe", architecture: "qwen3moe", built: "Qwen 3 with experts", context: 4096, oldOwn: true},
	{name: "tiny-qwen3vl", architecture: "qwen3vl", built: "Qwen3-VL, without images", context: 4096, oldOwn: true},
	{name: "tiny-qwen25vl", architecture: "qwen25vl", built: "Qwen2.5-VL in Ollama's library, without images", context: 4096, oldOwn: true, notNew: unknownTo("qwen25vl")},
	{name: "tiny-qwen2vl", architecture: "qwen2vl", built: "Qwen2.5-VL in other people's files, without images"},
	{name: "tiny-gemma2", architecture: "gemma2", built: "Gemma 2: windows in every second layer"},
	{name: "tiny-gpt-oss", architecture: "gpt-oss", built: "gpt-oss in other people's files: windows of 128 tokens in every second layer, sinks", context: 8192, oldOwn: true},
	{name: "tiny-gptoss", architecture: "gptoss", built: "gpt-oss in Ollama's library", context: 8192, oldOwn: true, notNew: unknownTo("gptoss")},
	{name: "tiny-deepseek2", architecture: "deepseek2", built: "DeepSeek V3.1: a latent cache for all heads", context: 4096, oldOwn: true},
	{name: "tiny-glm4moelite", architecture: "glm4moelite", built: "GLM 4.7 Flash in Ollama's library: DeepSeek's blocks", context: 4096, oldOwn: true, notNew: unknownTo("glm4moelite")},
	{name: "tiny-qwen35", architecture: "qwen35", built: "Qwen 3.5: a gated delta net in three layers of four", context: 4096, oldOwn: true},
	{name: "tiny-qwen35moe", architecture: "qwen35moe", built: "Qwen 3.5 with experts", context: 4096, oldOwn: true},
	{name: "tiny-qwen3next", architecture: "qwen3next", built: "Qwen3-Next: the delta net with joint matrices, and experts", context: 4096, oldOwn: true},
	{name: "tiny-gemma3n", architecture: "gemma3n", built: "Gemma 3n: embeddings for each layer, and layers that share a cache", context: 4096, oldOwn: true},
	{name: "tiny-gemma4", architecture: "gemma4", built: "Gemma 4 E2B: longer heads in the layers with full attention, layers that share a cache", context: 8192, oldOwn: true, says: allOfTheRule},
	{name: "tiny-llama4", architecture: "llama4", built: "Llama 4 Scout: windows of 8192 tokens in three layers of four", context: 16384, oldOwn: true},
	{name: "tiny-olmo2", architecture: "olmo2", built: "OLMo 2: norms behind attention and feed-forward"},
	{name: "tiny-olmo2-windows", architecture: "olmo2", built: "Olmo 3 in other people's files: windows in three layers of four"},
	{name: "tiny-olmo3", architecture: "olmo3", built: "Olmo 3 in Ollama's library", context: 4096, oldOwn: true, notNew: unknownTo("olmo3")},
	{name: "tiny-granite", architecture: "granite", built: "Granite 3: scales"},
	{name: "tiny-granitehybrid", architecture: "granitehybrid", built: "Granite 4: Mamba 2 in most layers"},
	{name: "tiny-command-r", architecture: "command-r", built: "Command R: attention beside the feed-forward"},
	{name: "tiny-cohere2", architecture: "cohere2", built: "Command R7B: Command R with windows in three layers of four"},
	{name: "tiny-glm4", architecture: "glm4", built: "GLM 4: joint matrices in the feed-forward"},
	{name: "tiny-glm4moe", architecture: "glm4moe", built: "GLM 4.5: experts, and a block that predicts further tokens"},
	{name: "tiny-phi4", architecture: "phi3", built: "Phi 4: Phi 3 without windows, and fewer KV heads than heads"},
	{name: "tiny-lfm2", architecture: "lfm2", built: "LFM 2: a short convolution in most layers", context: 4096, oldOwn: true},
	{name: "tiny-nemotron_h", architecture: "nemotron_h", built: "Nemotron Nano: blocks of Mamba 2, of attention and of a feed-forward", context: 4096, oldOwn: true, says: allOfTheRule},
	{name: "tiny-nomic-bert", architecture: "nomic-bert", built: "Nomic Embed: vectors, and no cache", context: 512, oldOwn: true, embeds: true},
}

// unknownTo is what Debian's llama-server says of an architecture by the name in Ollama's library. The llama-server that Ollama ships
// knows these names (v0.34.3 llama/compat/llama-ollama-compat.cpp).
func unknownTo(architecture string) string {
	return "unknown model architecture: '" + architecture + "'"
}

// allOfTheRule is what a model says behind any character but a digit or letter: Ollama writes the prompt for gemma4 and nemotron_h by
// a renderer of its own, whatever template the model has, and ends it with a line end.
var allOfTheRule = harness.AnswerTo("?")

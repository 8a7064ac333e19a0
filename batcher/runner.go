package batcher

import "slices"

// Runner is the program that computes a model. The runners differ in their caches and compute buffers.
type Runner string

// The runners.
const (
	// LlamaServer is upstream's llama-server, which Ollama uses since 0.30. The zero value of a Runner means it, too.
	LlamaServer Runner = "llama-server"
	// LlamaRunner is llama.cpp inside Ollama before 0.30.
	LlamaRunner Runner = "llama.cpp runner"
	// OllamaEngine is the engine of Ollama before 0.30 for the families that it knows.
	OllamaEngine Runner = "Ollama engine"
)

// engineFamilies are the families for which Ollama before 0.30 uses its own engine (v0.24.0 fs/ggml/ggml.go,
// OllamaEngineRequired).
var engineFamilies = []string{
	"bert", "deepseek2", "deepseekocr", "gemma3", "gemma3n", "gemma4", "gptoss", "gpt-oss", "laguna", "llama4", "mistral3", "mllama",
	"nemotron_h", "nemotron_h_moe", "nemotron_h_omni", "nomic-bert", "olmo3", "qwen25vl", "qwen3", "qwen3moe", "qwen35", "qwen35moe",
	"qwen3next", "qwen3vl", "qwen3vlmoe", "glm4moelite", "glmocr", "lfm2", "lfm2moe",
}

// RunnerOf returns the runner of a model. old means Ollama before 0.30, and projector that a file apart from the model encodes
// images, which its own engine does not support (v0.24.0 llm/server.go, NewLlamaServer).
func RunnerOf(old bool, family string, projector bool) Runner {
	switch {
	case !old:
		return LlamaServer
	case slices.Contains(engineFamilies, family) && !projector:
		return OllamaEngine
	}
	return LlamaRunner
}

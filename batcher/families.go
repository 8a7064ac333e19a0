package batcher

import "strings"

// singleSlotFamilies get only one slot from Ollama (v0.34.3 server/sched.go), because their caches do not support
// several sequences. A trailing * matches any ending.
var singleSlotFamilies = []string{"mllama", "qwen3vl*", "qwen35*", "qwen3next", "lfm2*", "nemotron_h*"}

// embedders are families without completion, which also get one slot. Other embedders have a pooling type in their
// metadata.
var embedders = []string{"bert", "nomic-bert*", "jina-bert*", "modern-bert", "neo-bert", "gemma-embedding", "t5encoder"}

// cacheless are the families without a KV cache, which compute all tokens of a prompt at once (v0.24.0
// llama/llama.cpp/src/llama-model.cpp, create_memory; model/models/bert and nomicbert set no Cache).
var cacheless = []string{"bert", "nomic-bert*", "jina-bert*", "modern-bert", "neo-bert", "gemma-embedding"}

// singleSlotFamily reports whether Ollama forces the family (general.architecture in a GGUF) to one slot.
func singleSlotFamily(family string) bool {
	return matches(singleSlotFamilies, family) || matches(embedders, family)
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if prefix, any := strings.CutSuffix(p, "*"); name == p || any && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// slidingFamily is llama.cpp's handling of a family's attention.sliding_window.
type slidingFamily struct {
	pattern   int  // every pattern-th layer has full attention; 1 means all layers, unless the GGUF has a pattern
	window    int  // in tokens, if the GGUF has none; 0 means no window then
	fixed     bool // window replaces a window in the GGUF, too
	fullFirst bool // of each pattern the first layer has full attention, not the last
	layers    int  // only models with this number of layers have the window; 0 means all
}

// slidingFamilies are the families whose windows llama.cpp uses (llama-model.cpp, set_swa_pattern; since 2026
// src/models/*.cpp, load_swa_pattern). For all other families every layer counts with full attention. That is an upper
// bound, and exact for some: llama.cpp ignores the windows of phi3 and mistral. Files that Ollama made call gpt-oss gptoss,
// and olmo2 olmo3.
var slidingFamilies = map[string]slidingFamily{
	"gemma2":          {pattern: 2, window: 4096},
	"gemma3":          {pattern: 6},
	"gemma3n":         {pattern: 5},
	"gemma4":          {pattern: 1},
	"gemma-embedding": {pattern: 6},
	"llama4":          {pattern: 4, window: 8192, fixed: true},
	"cohere2":         {pattern: 4},
	"cohere2moe":      {pattern: 4, fullFirst: true},
	"laguna":          {pattern: 4, fullFirst: true},
	"smallthinker":    {pattern: 4, window: 4096, fixed: true, fullFirst: true},
	"exaone4":         {pattern: 4, window: 4096, layers: 64},
	"exaone-moe":      {pattern: 4},
	"olmo2":           {pattern: 4},
	"olmo3":           {pattern: 4},
	"afmoe":           {pattern: 4},
	"plamo3":          {pattern: 8},
	"gpt-oss":         {pattern: 2},
	"gptoss":          {pattern: 2},
	"step35":          {pattern: 1},
	"mimo2":           {pattern: 1},
}

// intervalFamilies have full attention in every full_attention_interval-th layer, by default every fourth, and a recurrent
// state in the others.
var intervalFamilies = []string{"qwen3next", "qwen35*"}

// hybridFamilies have a recurrent state in the layers without KV heads.
var hybridFamilies = []string{"jamba", "plamo2", "granitehybrid", "lfm2*", "nemotron_h*"}

// runnerHybrids are the families for which llama.cpp inside Ollama before 0.30 has a cache and a state (v0.24.0
// llama/llama.cpp/src/llama-arch.cpp, llm_arch_is_hybrid).
var runnerHybrids = []string{"jamba", "falcon-h1", "plamo2", "granitehybrid", "lfm2*", "nemotron_h*", "qwen3next"}

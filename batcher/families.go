package batcher

import "strings"

// singleSlotFamilies get only one slot from Ollama (v0.34.3 server/sched.go), because their caches do not support
// several sequences. A trailing * matches any ending.
var singleSlotFamilies = []string{"mllama", "qwen3vl*", "qwen35*", "qwen3next", "lfm2*", "nemotron_h*"}

// embedders are families without completion, which also get one slot. Other embedders have a pooling type in their
// metadata.
var embedders = []string{"bert", "nomic-bert*", "jina-bert*", "modern-bert", "neo-bert", "gemma-embedding", "t5encoder"}

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
	pattern int // every pattern-th layer has full attention
	window  int // in tokens, if the GGUF has none; 0 means no window then
}

// slidingFamilies are the families whose windows llama.cpp uses (llama-model.cpp, set_swa_pattern). For all other
// families every layer counts with full attention. That is an upper bound, and exact for some: llama.cpp ignores the
// windows of phi3 and mistral.
var slidingFamilies = map[string]slidingFamily{
	"gemma2":          {2, 4096},
	"gemma3":          {6, 0},
	"gemma3n":         {5, 0},
	"gemma-embedding": {6, 0},
	"llama4":          {4, 8192},
	"cohere2":         {4, 0},
	"olmo2":           {4, 0},
	"afmoe":           {4, 0},
	"gpt-oss":         {2, 0},
	"gptoss":          {2, 0},
}

// recurrentLayer reports whether a layer keeps a state instead of a cache (llama-model.cpp, recurrent_layer_arr). For
// unknown families all layers count with a state in addition to their cache, as an upper bound.
func recurrentLayer(family string, l, kvHeads, interval int) bool {
	switch {
	case family == "qwen3next" || strings.HasPrefix(family, "qwen35"):
		if interval == 0 {
			interval = 4
		}
		return (l+1)%interval != 0
	case family == "jamba" || family == "plamo2" || family == "granitehybrid" || matches([]string{"lfm2*", "nemotron_h*"}, family):
		return kvHeads == 0
	}
	return true
}

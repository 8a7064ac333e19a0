package batcher

import "strings"

// singleSlotFamilies get one slot from Ollama whatever they are asked for (v0.34.3 server/sched.go): their caches are not
// safe with several sequences. A trailing * stands for any ending.
var singleSlotFamilies = []string{"mllama", "qwen3vl*", "qwen35*", "qwen3next", "lfm2*", "nemotron_h*"}

// embedders are families without completion, which get one slot too. What is not listed says so by a pooling type.
var embedders = []string{"bert", "nomic-bert*", "jina-bert*", "modern-bert", "neo-bert", "gemma-embedding", "t5encoder"}

// SingleSlotFamily says whether Ollama forces the family (a GGUF's general.architecture) to one slot.
func SingleSlotFamily(family string) bool {
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

// slidingFamily is how llama.cpp treats a family's attention.sliding_window.
type slidingFamily struct {
	pattern int // every pattern-th layer has full attention
	window  int // in tokens, where the GGUF does not say; 0: then there is none
}

// slidingFamilies are the families whose windows llama.cpp uses (llama-model.cpp, set_swa_pattern). Of all others the window
// is left out and every layer counted with full attention, which is the upper bound and for some the truth: llama.cpp
// ignores the windows of phi3 and mistral.
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

// recurrentLayer says which layers of a family keep a state instead of a cache (llama-model.cpp, recurrent_layer_arr).
// Where it is not known all do, on top of their cache: an upper bound.
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

package batcher

import (
	"fmt"
	"slices"
	"strconv"

	"fluxworker/gpu"
	"fluxworker/modelcfg"
)

// NoFlashAttention returns the reason why a server will not use flash attention for a model although it is enabled, or
// "" if it will. Metadata is the model's model_info, nil if unknown. old means a server of the generation before 0.30.
//
// The old generation decides by the model (v0.24.0 fs/ggml/ggml.go, SupportsFlashAttention, and llm/server.go). Without
// flash attention it ignores a quantised KV cache, with only a line in its log. The new generation leaves the decision
// to llama-server, which lacks flash attention for Grok only (llama-context.cpp) and then refuses to load with a
// quantised cache.
func NoFlashAttention(old bool, metadata map[string]any, a modelcfg.Architecture, devices []gpu.Device) string {
	switch {
	case a.Family == "grok":
		return "no Ollama has it for " + a.Family
	case !old:
		return ""
	case metadata[a.Family+".pooling_type"] != nil:
		return "Ollama before 0.30 has it for no embedder"
	case slices.Contains([]string{"qwen35", "qwen35moe", "qwen3next"}, a.Family):
		return ""
	case a.Family == "gemma2":
		return "Ollama before 0.30 does not have it for " + a.Family
	case a.Family == "gemma4" && slices.ContainsFunc(devices, beforeTuring):
		return "Ollama before 0.30 does not have it for gemma4 on GPUs before compute capability 7.5"
	case a.KeyLength != a.ValueLength:
		return fmt.Sprintf("Ollama before 0.30 does not have it for keys of %d and values of %d elements", a.KeyLength, a.ValueLength)
	}
	return ""
}

func beforeTuring(d gpu.Device) bool {
	capability, err := strconv.ParseFloat(d.ComputeCapability, 64)
	return err == nil && capability < 7.5
}

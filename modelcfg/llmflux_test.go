package modelcfg

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// llmfluxFile has every key that LLMFlux's own reader demands, and some that it does not know.
const llmfluxFile = `name: "gemma3:27b"

resources:
  gpu_layers: 48
  gpu_memory: "24GB"
  batch_size: 2
  max_concurrent: 1

parameters:
  temperature: 0.6
  top_p: 0.95
  max_tokens: 1024
  stop_sequences: ["###", "<end_of_turn>"]

system:
  prompt: "Be brief."

validation:
  temperature_range: [0.0, 1.0]
  max_tokens_limit: 4096
  batch_size_range: [1, 4]
  concurrent_range: [1, 2]

requirements:
  min_gpu_memory: "24GB"
  recommended_gpu: "A100"
  cuda_version: ">=12.0"
  cpu_threads: 8
  gpu_memory_utilization: 0.9

model_info:
  parameters: "27B"
  template_format: gemma

type: ollama
capabilities: [text]
`

// A file of LLMFlux is accepted; its meaningless values are ignored, and unknown keys give warnings.
func TestLLMFluxFile(t *testing.T) {
	models, warnings, problems := load(t, llmfluxFile)
	expect(t, "problems", problems, nil)
	const slots = "is ignored: how many requests run at once follows from the number of slots (resources.batch_size)"
	expect(t, "warnings", warnings, []string{
		"x.yaml:4: resources.gpu_layers is ignored: LLMFlux requires the key in every file and never uses it; all layers go to the GPU",
		"x.yaml:7: resources.max_concurrent " + slots,
		`x.yaml:13: parameters.stop_sequences holds "###", which ends an answer at its first third-level heading; remove it unless the prompts need it`,
		"x.yaml:16: system.prompt is added to each row without a system message, unlike in LLMFlux; --system '' removes it",
		"x.yaml:22: validation.concurrent_range " + slots,
		"x.yaml:35: type is not a known key and is ignored",
		"x.yaml:36: capabilities is not a known key and is ignored",
	})
	m := models[0]
	if m.Resources.GPULayers != nil || m.Resources.BatchSize != 2 || m.Resources.GPUMemory != 24<<30 ||
		*m.Parameters.Temperature != 0.6 || *m.Parameters.TopP != 0.95 || m.Parameters.TopK != nil || m.Parameters.MaxTokens != 1024 ||
		!slices.Equal(m.Parameters.StopSequences, []string{"###", "<end_of_turn>"}) || m.System.Prompt != "Be brief." ||
		m.Requirements.CPUThreads != 8 || m.Info["parameters"] != "27B" {
		t.Errorf("%+v", m)
	}
	// Without the key of LLMFlux, the same values are the user's choice.
	models, _, _ = load(t, strings.Replace(llmfluxFile, "  max_concurrent: 1\n", "", 1))
	if n := models[0].Resources.GPULayers; n == nil || *n != 48 {
		t.Errorf("gpu_layers of another file: %v", n)
	}
}

const llmfluxMap = `models:
  gemma3-27b:
    name: gemma3:27b
    hf_name: google/gemma-3-27b-it
    parameters: {temperature: 0.1}
  only-there:
    name: NA
    hf_name: org/only-there
    parameters: {temperature: 0.2}
  nowhere: {name: "NA", hf_name: NA}
  imported:
    name: NA
    ollama: my-import
`

// A models.yaml names its models by its own keys. Each model is found by its key or its tag. A model without a tag is
// not requested from Ollama under an unknown name.
func TestLLMFluxMap(t *testing.T) {
	path := write(t, llmfluxMap)
	for _, name := range []string{"gemma3-27b", "gemma3:27b"} {
		m, _, err := Resolve(name, path)
		if err != nil || m.Name != name && m.Name != "gemma3-27b" || m.Tag() != "gemma3:27b" || *m.Parameters.Temperature != 0.1 || m.HFName != "google/gemma-3-27b-it" {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	if m, _, err := Resolve("imported", path); err != nil || m.Tag() != "my-import" {
		t.Errorf("imported: %+v, %v", m, err)
	}
	for name, want := range map[string]string{
		"only-there": "model only-there has no Ollama tag: its file says so (name: NA), and it exists only on Hugging Face, as org/only-there; " +
			`for a model made with ollama create under this name, use a model file with "ollama: <its tag>"`,
		"nowhere": `model nowhere has no Ollama tag: its file says so (name: NA); for a model made with ollama create under this name, use a model file with "ollama: <its tag>"`,
	} {
		var noTag *NoTagError
		if _, _, err := Resolve(name, path); !errors.As(err, &noTag) || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package modelcfg

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestResolveWithoutFile(t *testing.T) {
	tests := []struct {
		name, tag, warning string
		layers             int
	}{
		{"llama3.2:3b", "llama3.2:3b", "", 28},
		{"llama3.2-vision:11b", "llama3.2-vision:11b", "", 40},
		{"llama3.2-vision:8b", "llama3.2-vision:11b", "model llama3.2-vision:8b has the Ollama tag llama3.2-vision:11b: the smaller", 40},
		{"mistral:8x7b", "mixtral:8x7b", "model mistral:8x7b has the Ollama tag mixtral:8x7b: Mistral's 8x7B", 32},
		{"qwen3:0.6b", "qwen3:0.6b", "", 28},
		{"qwen3:9b", "qwen3:9b", "no model YAML exists for qwen3:9b: defaults apply, and its size is unknown until the server has the model; did you mean qwen3:4b?", 0},
		{"hf.co/x/y:Q4", "hf.co/x/y:Q4", "no model YAML exists", 0},
		{"bigram", "bigram", "no model YAML exists", 0},
		{"custom:my-model", "custom:my-model", "no model YAML exists", 0},
	}
	for _, tt := range tests {
		m, warnings, err := Resolve(tt.name, "")
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if m.Name != tt.name || m.Tag() != tt.tag || m.Architecture.Layers != tt.layers {
			t.Errorf("%s: name %s, tag %s, %d layers", tt.name, m.Name, m.Tag(), m.Architecture.Layers)
		}
		switch {
		case tt.warning == "" && len(warnings) > 0, len(warnings) > 1:
			t.Errorf("%s: warnings %v", tt.name, warnings)
		case tt.warning != "" && (len(warnings) == 0 || !strings.HasPrefix(warnings[0].String(), tt.warning)):
			t.Errorf("%s: warnings %v, want %s", tt.name, warnings, tt.warning)
		}
	}
	for _, name := range []string{"", "a b", "x\n", "--model"} {
		if _, _, err := Resolve(name, ""); err == nil || !strings.Contains(err.Error(), "it must be an Ollama tag") {
			t.Errorf("Resolve(%q): %v", name, err)
		}
	}
}

func TestNoTagErrorText(t *testing.T) {
	_, _, err := Resolve("llama3.3:8b", "")
	const want = "model llama3.3:8b has no Ollama tag: Llama 3.3 was published as 70B only; the 8B model is that of Llama 3.1; " +
		"choose an existing model such as llama3.1:8b, llama3.3:70b; " +
		"for a model made with ollama create under this name, use a model file with \"ollama: <its tag>\""
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

const custom = `name: custom:my-model
ollama: mine:latest
resources: {batch_size: 3, gpu_memory: 40GB}
parameters: {temperature: 0.5}
requirements: {min_gpu_memory: 40GB, cpu_threads: 2}
architecture: {layers: 99}
`

func TestResolveSingleFile(t *testing.T) {
	path := write(t, custom)
	for _, name := range []string{"", "custom:my-model", "mine:latest"} {
		m, _, err := Resolve(name, path)
		if err != nil || m.Tag() != "mine:latest" || m.Architecture.Layers != 99 || m.Resources.GPUMemory != 40<<30 {
			t.Errorf("%q: %+v, %v", name, m, err)
		}
		if name != "" && m.Name != name {
			t.Errorf("%q became %q", name, m.Name)
		}
	}

	m, warnings, err := Resolve("llama3.2:3b", path)
	if err != nil {
		t.Fatal(err)
	}
	if m.Tag() != "llama3.2:3b" || m.Resources.BatchSize != 3 || *m.Parameters.Temperature != 0.5 || m.Requirements.CPUThreads != 2 {
		t.Errorf("settings are not those of the file: %+v", m)
	}
	if m.Architecture.Layers != 28 || m.Resources.GPUMemory != 0 || m.Requirements.MinGPUMemory != 0 {
		t.Errorf("facts are those of the other model: %+v", m)
	}
	if want := "x.yaml: describes custom:my-model; its settings are used for llama3.2:3b"; len(warnings) != 1 ||
		!strings.HasPrefix(strings.TrimPrefix(warnings[0].String(), filepath.Dir(path)+"/"), want) {
		t.Errorf("warnings %v", warnings)
	}

	m, _, err = Resolve("bigram", path)
	if err != nil || m.Tag() != "bigram" || m.Architecture.Layers != 0 || m.Resources.BatchSize != 3 {
		t.Errorf("unknown name: %+v, %v", m, err)
	}
}

func TestResolveFileWithoutName(t *testing.T) {
	path := write(t, "parameters: {temperature: 0}\n")
	m, _, err := Resolve("llama3.2:3b", path)
	if err != nil || m.Name != "llama3.2:3b" || *m.Parameters.Temperature != 0 || m.Architecture.Layers != 28 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, _, err := Resolve("", path); err == nil || !strings.Contains(err.Error(), "has no name; add the key name") {
		t.Errorf("%v", err)
	}
}

// Files of LLMFlux carry the catalog's names but know nothing of the tags.
func TestResolveFileForCatalogName(t *testing.T) {
	m, warnings, err := Resolve("", write(t, "name: llama3.2-vision:8b\nresources: {batch_size: 1}\n"))
	if err != nil || m.Tag() != "llama3.2-vision:11b" || !m.Architecture.SingleSlot || m.Resources.BatchSize != 1 || len(warnings) != 1 {
		t.Errorf("%+v, %v, %v", m, warnings, err)
	}
	var noTag *NoTagError
	if _, _, err = Resolve("", write(t, "name: llama3.2:7b\n")); !errors.As(err, &noTag) || len(noTag.Alternatives) == 0 {
		t.Errorf("no tag: %v", err)
	}
	m, _, err = Resolve("", write(t, "name: llama3.2:7b\nollama: llama3.2:7b\n"))
	if err != nil || m.Tag() != "llama3.2:7b" {
		t.Errorf("own tag: %+v, %v", m, err)
	}
	m, _, err = Resolve("", write(t, "name: llama3.2:3b\nollama: llama3.2:3b-instruct-fp16\n"))
	if err != nil || m.Architecture.Layers != 0 {
		t.Errorf("another quantisation has the catalog's sizes: %+v, %v", m.Architecture, err)
	}
}

func TestResolveMap(t *testing.T) {
	path := write(t, `models:
  a:1b: {ollama: tag:a, parameters: {top_p: 0.1}}
  b:1b: {parameters: {top_p: 0.2}, future: 1}
  broken: {parameters: {top_p: 7}}
  gone: {ollama: NA}
`)
	for name, want := range map[string]float64{"a:1b": 0.1, "tag:a": 0.1, "b:1b": 0.2} {
		m, warnings, err := Resolve(name, path)
		if err != nil || m.Name != name && m.Tag() != name || *m.Parameters.TopP != want {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
		if future := len(warnings) > 0 && strings.Contains(warnings[0].Field, "future"); future != (name == "b:1b") {
			t.Errorf("%s: warnings %v", name, warnings)
		}
	}
	for name, want := range map[string]string{
		"":       "has several models; choose one of a:1b, b:1b, broken, gone",
		"c":      `has no model "c"; it has a:1b, b:1b, broken, gone`,
		"broken": "x.yaml:4: models.broken.parameters.top_p is 7; it must be between 0 and 1",
		"gone":   "model gone has no Ollama tag",
	} {
		if _, _, err := Resolve(name, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Resolve(%q): %v, want %s", name, err, want)
		}
	}
	m, _, err := Resolve("", write(t, "models: {only: {}}\n"))
	if err != nil || m.Name != "only" {
		t.Errorf("%+v, %v", m, err)
	}
}

// LLMFlux 2's models.yaml names its models as the catalog's aliases do. What the file says of a tag counts.
func TestResolveFileWithNamesOfLLMFlux2(t *testing.T) {
	path := write(t, `models:
  Qwen2.5-7B-Instruct: {name: "qwen2.5:7b"}
  DeepSeek-R1-Distill-Llama-8B: {name: "deepseek-r1:8b"}
  QwQ-32B: {name: NA}
`)
	m, _, err := Resolve("Qwen2.5-7B-Instruct", path)
	if err != nil || m.Tag() != "qwen2.5:7b" || m.Architecture.Layers != 28 {
		t.Errorf("%+v, %v", m, err)
	}
	m, _, err = Resolve("DeepSeek-R1-Distill-Llama-8B", path)
	if err != nil || m.Tag() != "deepseek-r1:8b" {
		t.Errorf("%+v, %v", m, err)
	}
	var noTag *NoTagError
	if _, _, err = Resolve("QwQ-32B", path); !errors.As(err, &noTag) || !slices.Equal(noTag.Alternatives, []string{"qwq:32b"}) {
		t.Errorf("%v, want a NoTagError that names qwq:32b", err)
	}
}

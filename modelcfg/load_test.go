package modelcfg

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// write puts text into x.yaml of a new folder.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load reads text as a file; messages begin with "x.yaml".
func load(t *testing.T, text string) (models []Model, warnings, problems []string) {
	t.Helper()
	path := write(t, text)
	models, found, err := loadFile(path)
	for _, w := range found {
		warnings = append(warnings, strings.ReplaceAll(w.String(), path, "x.yaml"))
	}
	if err != nil {
		var invalid *ValidationError
		if !errors.As(err, &invalid) {
			t.Fatalf("not a ValidationError: %v", err)
		}
		problems = strings.Split(strings.ReplaceAll(err.Error(), path, "x.yaml"), "\n")
	}
	return models, warnings, problems
}

func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

const full = `name: "custom:my-model"
hf_name: org/my-model
notes: a remark
ollama: my-model:latest
resources:
  gpu_layers: 32
  gpu_memory: "16GB"
  batch_size: 8
parameters:
  temperature: 0
  top_p: 0.9
  top_k: 0
  max_tokens: 4096
  stop_sequences: ["</s>", "END"]
system:
  prompt: |
    Be brief.
validation:
  temperature_range: [0.0, 1.0]
  max_tokens_limit: 8192
  batch_size_range: [1, 16]
requirements:
  min_gpu_memory: 12 GiB
  recommended_gpu: A40
  cuda_version: 12.1
  cpu_threads: 4
  gpu_memory_utilization: 0.9
  context_window: 8192
model_info:
  parameters: 8
  quantization: Q4_K_M
  template: NA
architecture:
  source: measured
  family: llama
  weights_bytes: 4700000000
  layers: 3
  heads: 32
  kv_heads: [8, 0, 8]
  key_length: 128
  value_length: 64
  window_key_length: 96
  window_value_length: 48
  projector_bytes: 900000000
  host_bytes: 300000000
  draft_layers: 1
  latent_length: 576
  latent_value_length: 512
  embedding_length: 4096
  feed_forward_length: 14336
  experts_used: 2
  vocabulary: 128256
  state_bytes: 1048576
  context_length: 32768
  sliding_window: 1024
  sliding_window_pattern: 6
  vision: true
  single_slot: false
`

func TestLoadFull(t *testing.T) {
	models, warnings, problems := load(t, full)
	expect(t, "warnings", warnings, nil)
	expect(t, "problems", problems, nil)
	if len(models) != 1 {
		t.Fatalf("%d models", len(models))
	}
	m := models[0]
	for what, ok := range map[string]bool{
		"names":      m.Name == "custom:my-model" && m.HFName == "org/my-model" && m.Tag() == "my-model:latest" && m.Notes == "a remark",
		"file":       filepath.Base(m.File) == "x.yaml",
		"resources":  *m.Resources.GPULayers == 32 && m.Resources.GPUMemory == 16<<30 && m.Resources.BatchSize == 8,
		"sampling":   *m.Parameters.Temperature == 0 && *m.Parameters.TopP == 0.9 && *m.Parameters.TopK == 0 && m.Parameters.MaxTokens == 4096,
		"stop":       slices.Equal(m.Parameters.StopSequences, []string{"</s>", "END"}),
		"system":     m.System.Prompt == "Be brief.\n",
		"validation": *m.Validation.TemperatureRange == Range{0, 1} && *m.Validation.BatchSizeRange == Range{1, 16} && m.Validation.MaxTokensLimit == 8192,
		"requirements": m.Requirements == Requirements{MinGPUMemory: 12 << 30, RecommendedGPU: "A40", CUDAVersion: "12.1", CPUThreads: 4,
			GPUMemoryUtilization: 0.9, ContextWindow: 8192},
		"info":  len(m.Info) == 2 && m.Info["parameters"] == "8" && m.Info["quantization"] == "Q4_K_M",
		"heads": slices.Equal(m.Architecture.KVHeads, []int{8, 0, 8}),
		"architecture": m.Architecture.WeightsBytes == 4_700_000_000 && m.Architecture.ValueLength == 64 && m.Architecture.Vision &&
			!m.Architecture.SingleSlot && m.Architecture.SlidingWindowPattern == 6 && m.Architecture.ProjectorBytes == 900_000_000 &&
			m.Architecture.LatentLength == 576 && m.Architecture.LatentValueLength == 512 && m.Architecture.FeedForwardLength == 14336 && m.Architecture.ExpertsUsed == 2 &&
			m.Architecture.Vocabulary == 128256 && m.Architecture.StateBytes == 1<<20 && m.Architecture.HostBytes == 300_000_000 &&
			m.Architecture.DraftLayers == 1 && m.Architecture.WindowKeyLength == 96 && m.Architecture.WindowValueLength == 48,
	} {
		if !ok {
			t.Errorf("%s read wrong: %+v", what, m)
		}
	}
}

func TestLoadAbsent(t *testing.T) {
	models, warnings, problems := load(t, `name: custom:my-model
hf_name: NA
ollama: null
resources: {gpu_layers: NA, gpu_memory: "NA", batch_size: ~}
parameters: {temperature: NA, top_k: null, stop_sequences: NA}
system: NA
architecture:
validation: {temperature_range: null}
`)
	expect(t, "warnings", warnings, nil)
	expect(t, "problems", problems, nil)
	m := models[0]
	if m.HFName != "" || m.Tag() != "custom:my-model" || m.Resources != (Resources{}) || m.Parameters.Temperature != nil ||
		m.Parameters.TopK != nil || m.Parameters.StopSequences != nil || m.Validation.TemperatureRange != nil {
		t.Errorf("absent values were set: %+v", m)
	}
	models, _, _ = load(t, "name: x\nollama: NA\n")
	if models[0].Tag() != "" || models[0].Ollama != NoTag {
		t.Errorf("ollama: NA gives tag %q", models[0].Tag())
	}
}

func TestLoadMap(t *testing.T) {
	models, warnings, problems := load(t, `defaults: &d
  temperature: 0.2
  max_tokens: 100
models:
  llama3.2:3b:
    name: NA
    hf_name: meta-llama/Llama-3.2-3B-Instruct
    parameters:
      <<: *d
      max_tokens: 200
  "my:alias":
    name: qwen2.5:7b
    parameters: *d
  hf:only:
    name: hf:only
    ollama: NA
    engine: vllm
`)
	expect(t, "problems", problems, nil)
	expect(t, "warnings", warnings, []string{
		"x.yaml:1: defaults is not a known key and is ignored",
		"x.yaml:17: models.hf:only.engine is not a known key and is ignored",
	})
	var got []string
	for _, m := range models {
		got = append(got, m.Name+"="+m.Tag())
	}
	expect(t, "models", got, []string{"llama3.2:3b=llama3.2:3b", "my:alias=qwen2.5:7b", "hf:only="})
	if p := models[0].Parameters; *p.Temperature != 0.2 || p.MaxTokens != 200 {
		t.Errorf("merge: temperature %v, max_tokens %d", *p.Temperature, p.MaxTokens)
	}
	if p := models[1].Parameters; *p.Temperature != 0.2 || p.MaxTokens != 100 {
		t.Errorf("alias: temperature %v, max_tokens %d", *p.Temperature, p.MaxTokens)
	}
}

func TestLoadFileErrors(t *testing.T) {
	_, _, err := loadFile(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, _, err = loadFile(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
	if _, _, err = loadFile(write(t, "notes: "+strings.Repeat("x", maxFile))); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("large file: %v", err)
	}
}

func TestPartialGPULayers(t *testing.T) {
	tests := []struct {
		yaml              string
		gpuLayers, layers int
		partial           bool
	}{
		{"architecture: {layers: 28}", 28, 28, false},
		{"resources: {gpu_layers: -1}\narchitecture: {layers: 28}", 28, 28, false},
		{"resources: {gpu_layers: 99}\narchitecture: {layers: 28}", 28, 28, false},
		{"resources: {gpu_layers: 28}\narchitecture: {layers: 28}", 28, 28, false},
		{"resources: {gpu_layers: 27}\narchitecture: {layers: 28}", 27, 28, true},
		{"resources: {gpu_layers: 0}\narchitecture: {layers: 28}", 0, 28, true},
		{"resources: {gpu_layers: 0}", 0, 0, true},
		{"resources: {gpu_layers: 32}", 32, 0, false},
		{"name: x", -1, 0, false},
	}
	for _, tt := range tests {
		models, _, problems := load(t, tt.yaml)
		if problems != nil {
			t.Fatal(problems)
		}
		gpuLayers, layers, partial := models[0].PartialGPULayers()
		if gpuLayers != tt.gpuLayers || layers != tt.layers || partial != tt.partial {
			t.Errorf("%q: %d of %d, %v", tt.yaml, gpuLayers, layers, partial)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("models:\n  a: &x {<<: [*x, *x]}\n  b: *x\n"))
	f.Add([]byte("a: &a [*a]\nname: *a\n<<: *a\n"))
	f.Add([]byte("? {a: b}\n: !!int c\n"))
	f.Add([]byte("name: 1\n---\nname: 2\n"))
	f.Add([]byte("\xff\xfe"))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := parse("x.yaml", data)
		if err != nil {
			var invalid *ValidationError
			if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
				t.Fatalf("error without problems: %v", err)
			}
			return
		}
		if len(doc.entries) == 0 && len(doc.problems) == 0 {
			t.Fatal("neither models nor problems")
		}
		for _, e := range doc.entries {
			m := e.model
			m.PartialGPULayers()
			if len(e.problems) > 0 {
				continue
			}
			if m.Tag() != "" && !validName(m.Tag()) {
				t.Fatalf("tag %q accepted", m.Tag())
			}
			if a := m.Architecture; a.KVHeads != nil && len(a.KVHeads) != a.Layers {
				t.Fatalf("%d kv heads for %d layers", len(a.KVHeads), a.Layers)
			}
		}
	})
}

// loadFile returns the models and warnings of a file, and a *ValidationError with all errors in it.
func loadFile(path string) (models []Model, warnings []Problem, err error) {
	data, err := readFile(path)
	if err != nil {
		return nil, nil, err
	}
	doc, err := parse(path, data)
	if err != nil {
		return nil, nil, err
	}
	problems := doc.problems
	warnings = doc.warnings
	for _, e := range doc.entries {
		models = append(models, e.model)
		problems = append(problems, e.problems...)
		warnings = append(warnings, e.warnings...)
	}
	byLine(warnings)
	if err := validationError(problems); err != nil {
		return nil, warnings, err
	}
	return models, warnings, nil
}

package modelcfg

import (
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// Limits that several keys have in common.
const (
	maxTokens  = 10_000_000
	maxContext = 1 << 24
	maxBatch   = 4096
	maxLayers  = maxList
)

// model reads one model. path is its position in the file; empty for a file with one model.
func (d *decoder) model(path string, n *yaml.Node) Model {
	m := Model{File: d.file}
	d.section(d.keys(&m))(path, n)
	d.llmflux(path, &m)
	d.limits(path, &m)
	return m
}

// keys returns the schema of one model.
func (d *decoder) keys(m *Model) map[string]setter {
	return map[string]setter{
		"name":           d.nameField(&m.Name),
		"gguf":           d.fileField(&m.GGUF),
		"gguf_projector": d.fileField(&m.GGUFProjector),
		"hf_name":        d.textField(&m.HFName),
		"ollama":         d.nameField(&m.Ollama),
		"ollama_note":    d.textField(&m.OllamaNote),
		"alternatives":   d.namesField(&m.Alternatives),
		"notes":          d.textField(&m.Notes),
		"resources": d.section(map[string]setter{
			"gpu_layers":     d.optionalIntField(&m.Resources.GPULayers, -1, maxLayers),
			"gpu_memory":     d.sizeField(&m.Resources.GPUMemory),
			"batch_size":     d.intField(&m.Resources.BatchSize, 1, maxBatch),
			"max_concurrent": d.ignored,
		}),
		"parameters": d.section(map[string]setter{
			"temperature":    d.optionalNumberField(&m.Parameters.Temperature, 0, 2),
			"top_p":          d.optionalNumberField(&m.Parameters.TopP, 0, 1),
			"top_k":          d.optionalIntField(&m.Parameters.TopK, 0, 1_000_000),
			"max_tokens":     d.intField(&m.Parameters.MaxTokens, 1, maxTokens),
			"stop_sequences": d.textsField(&m.Parameters.StopSequences),
			"json_schema":    d.fileField(&m.Parameters.JSONSchema),
		}),
		"system": d.section(map[string]setter{
			"prompt": d.textField(&m.System.Prompt),
		}),
		"validation": d.section(map[string]setter{
			"temperature_range": d.rangeField(&m.Validation.TemperatureRange, 0, 2, false),
			"max_tokens_limit":  d.intField(&m.Validation.MaxTokensLimit, 1, maxTokens),
			"batch_size_range":  d.rangeField(&m.Validation.BatchSizeRange, 1, maxBatch, true),
			"concurrent_range":  d.ignored,
		}),
		"requirements": d.section(map[string]setter{
			"min_gpu_memory":         d.sizeField(&m.Requirements.MinGPUMemory),
			"recommended_gpu":        d.verbatimField(&m.Requirements.RecommendedGPU),
			"cuda_version":           d.verbatimField(&m.Requirements.CUDAVersion),
			"cpu_threads":            d.intField(&m.Requirements.CPUThreads, 1, 4096),
			"gpu_memory_utilization": d.numberField(&m.Requirements.GPUMemoryUtilization, 0.01, 1),
			"context_window":         d.intField(&m.Requirements.ContextWindow, 1, maxContext),
		}),
		"model_info":   d.info(&m.Info),
		"architecture": d.architecture(&m.Architecture),
	}
}

// ignored handles keys that only matter if a client decides how many requests run at once.
func (d *decoder) ignored(path string, n *yaml.Node) {
	d.warn(n.Line, path, "is ignored: how many requests run at once follows from the number of slots (resources.batch_size)")
}

// info reads the free-form section model_info: any key, scalars as written.
func (d *decoder) info(dst *map[string]string) setter {
	return func(path string, n *yaml.Node) {
		*dst = map[string]string{}
		for _, p := range d.mapping(path, n) {
			switch {
			case p.value.Kind != yaml.ScalarNode:
				d.warn(p.line, join(path, p.key), "is %s and is ignored; model_info holds plain values", describe(p.value))
			case !isNull(p.value) && !isNA(p.value):
				(*dst)[p.key] = p.value.Value
			}
		}
	}
}

// fileField reads a file path, relative to the folder of the YAML.
func (d *decoder) fileField(dst *string) setter {
	return func(path string, n *yaml.Node) {
		s, ok := d.text(path, n, "the path of a file")
		if !ok || s == "" {
			return
		}
		if !filepath.IsAbs(s) {
			s = filepath.Join(filepath.Dir(d.file), s)
		}
		*dst = s
	}
}

func (d *decoder) architecture(a *Architecture) setter {
	read := d.section(map[string]setter{
		"source":                 d.textField(&a.Source),
		"family":                 d.textField(&a.Family),
		"weights_bytes":          d.int64Field(&a.WeightsBytes, 1, maxSize),
		"projector_bytes":        d.int64Field(&a.ProjectorBytes, 0, maxSize),
		"host_bytes":             d.int64Field(&a.HostBytes, 0, maxSize),
		"layers":                 d.intField(&a.Layers, 1, maxLayers),
		"draft_layers":           d.intField(&a.DraftLayers, 0, maxLayers),
		"heads":                  d.intField(&a.Heads, 1, 65536),
		"kv_heads":               d.perLayerField(&a.KVHeads, 0, 65536),
		"key_length":             d.intField(&a.KeyLength, 1, 65536),
		"value_length":           d.intField(&a.ValueLength, 1, 65536),
		"window_key_length":      d.intField(&a.WindowKeyLength, 0, 65536),
		"window_value_length":    d.intField(&a.WindowValueLength, 0, 65536),
		"latent_length":          d.intField(&a.LatentLength, 0, 65536),
		"latent_value_length":    d.intField(&a.LatentValueLength, 0, 65536),
		"feed_forward_length":    d.intField(&a.FeedForwardLength, 1, 1<<20),
		"experts_used":           d.intField(&a.ExpertsUsed, 0, 4096),
		"vocabulary":             d.intField(&a.Vocabulary, 1, 1<<24),
		"state_bytes":            d.int64Field(&a.StateBytes, 0, maxSize),
		"embedding_length":       d.intField(&a.EmbeddingLength, 1, 1<<20),
		"context_length":         d.intField(&a.ContextLength, 1, maxContext),
		"sliding_window":         d.intField(&a.SlidingWindow, 0, maxContext),
		"sliding_window_pattern": d.intField(&a.SlidingWindowPattern, 0, maxLayers),
		"vision":                 d.boolField(&a.Vision),
		"single_slot":            d.boolField(&a.SingleSlot),
	})
	return func(path string, n *yaml.Node) {
		read(path, n)
		d.spreadKVHeads(join(path, "kv_heads"), a)
	}
}

// spreadKVHeads expands KVHeads to one value per layer, so that readers need only one case.
func (d *decoder) spreadKVHeads(path string, a *Architecture) {
	at := &yaml.Node{Line: d.lines[path]}
	switch {
	case a.KVHeads == nil:
	case a.Layers == 0:
		d.problem(at, path, "is given without architecture.layers; add layers")
		a.KVHeads = nil
	case len(a.KVHeads) == 1:
		heads := make([]int, a.Layers)
		for i := range heads {
			heads[i] = a.KVHeads[0]
		}
		a.KVHeads = heads
	case len(a.KVHeads) != a.Layers:
		d.problem(at, path, "has %d values; it must be one whole number, or %d values as in architecture.layers",
			len(a.KVHeads), a.Layers)
	}
}

// limits checks the model's own values against its section validation.
func (d *decoder) limits(path string, m *Model) {
	outside := func(field, limit, value, allowed string) {
		field, limit = join(path, field), join(path, limit)
		at := &yaml.Node{Line: d.lines[field]}
		d.problem(at, field, "is %s; it must be %s because of %s in line %d: change one of the two",
			value, allowed, limit, d.lines[limit])
	}
	within := func(r *Range) string { return "between " + plain(r.Low) + " and " + plain(r.High) }
	v := m.Validation
	if t := m.Parameters.Temperature; t != nil && v.TemperatureRange != nil && !v.TemperatureRange.Contains(*t) {
		outside("parameters.temperature", "validation.temperature_range", plain(*t), within(v.TemperatureRange))
	}
	if n := m.Parameters.MaxTokens; v.MaxTokensLimit > 0 && n > v.MaxTokensLimit {
		outside("parameters.max_tokens", "validation.max_tokens_limit", plain(float64(n)), "at most "+plain(float64(v.MaxTokensLimit)))
	}
	if n := m.Resources.BatchSize; n > 0 && v.BatchSizeRange != nil && !v.BatchSizeRange.Contains(float64(n)) {
		outside("resources.batch_size", "validation.batch_size_range", plain(float64(n)), within(v.BatchSizeRange))
	}
}

// knowsAny reports whether n has at least one key of the schema: a file of prompts, given by mistake, is also valid
// YAML.
func (d *decoder) knowsAny(n *yaml.Node) bool {
	n = deref(n)
	keys := d.keys(&Model{})
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := deref(n.Content[i])
		if _, ok := keys[key.Value]; ok || key.Tag == "!!merge" {
			return true
		}
	}
	return false
}

// sections returns the keys for a message, in the order of the documentation.
func sections() string {
	return strings.Join([]string{"name", "hf_name", "resources", "parameters", "system", "validation", "requirements",
		"model_info", "architecture", "ollama", "notes"}, ", ")
}

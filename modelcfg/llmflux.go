package modelcfg

import (
	"slices"
	"strings"
)

// llmfluxStop is a stop text in LLMFlux's files, which comes from the prompts of their tests.
const llmfluxStop = "###"

// llmflux handles values that files for LLMFlux contain without need.
func (d *decoder) llmflux(path string, m *Model) {
	// The key max_concurrent identifies such a file: LLMFlux requires it together with gpu_layers, and no other program
	// uses it.
	layers, system := join(path, "resources.gpu_layers"), join(path, "system.prompt")
	theirs := d.lines[join(path, "resources.max_concurrent")] > 0
	if theirs && m.System.Prompt != "" {
		d.warn(d.lines[system], system, "is added to each row without a system message, unlike in LLMFlux; --system '' removes it")
	}
	if theirs && m.Resources.GPULayers != nil {
		d.warn(d.lines[layers], layers, "is ignored: LLMFlux requires the key in every file and never uses it; all layers go to the GPU")
		m.Resources.GPULayers = nil
	}
	stops := join(path, "parameters.stop_sequences")
	if slices.Contains(m.Parameters.StopSequences, llmfluxStop) {
		d.warn(d.lines[stops], stops, "holds %q, which ends an answer at its first third-level heading; remove it unless the prompts need it", llmfluxStop)
	}
}

// deniesTag reports whether a model in a map says that Ollama does not have it. A key with a colon is a tag itself.
func deniesTag(p pair) bool {
	name := lookup(deref(p.value), "name")
	return name != nil && isNA(name) && !strings.Contains(p.key, ":")
}

// noTagReason returns the reason why a model in a map has no tag.
func noTagReason(m Model) string {
	note := "its file says so (name: " + NoTag + ")"
	if m.HFName != "" {
		note += ", and it exists only on Hugging Face, as " + m.HFName
	}
	return note
}

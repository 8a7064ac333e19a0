package modelcfg

import (
	"slices"
	"strings"
)

// llmfluxStop is a text that the files of LLMFlux end answers at, from the prompts that they were tried with.
const llmfluxStop = "###"

// llmflux settles what a file made for LLMFlux says without meaning it.
func (d *decoder) llmflux(path string, m *Model) {
	// Such a file is known by max_concurrent: LLMFlux demands it beside gpu_layers, and no other reader of these files has it.
	layers, system := join(path, "resources.gpu_layers"), join(path, "system.prompt")
	theirs := d.lines[join(path, "resources.max_concurrent")] > 0
	if theirs && m.System.Prompt != "" {
		d.warn(d.lines[system], system, "goes before each row without a system message, which LLMFlux never did; --system '' leaves it out")
	}
	if theirs && m.Resources.GPULayers != nil {
		d.warn(d.lines[layers], layers, "is ignored: LLMFlux demands the key in every file and never uses it; all layers go to the GPU")
		m.Resources.GPULayers = nil
	}
	stops := join(path, "parameters.stop_sequences")
	if slices.Contains(m.Parameters.StopSequences, llmfluxStop) {
		d.warn(d.lines[stops], stops, "holds %q, which cuts an answer at its first heading of the third level; remove it unless the prompts are made for it", llmfluxStop)
	}
}

// deniesTag tells whether a model of a map says that Ollama does not have it. A key with a colon is a tag itself.
func deniesTag(p pair) bool {
	name := lookup(deref(p.value), "name")
	return name != nil && isNA(name) && !strings.Contains(p.key, ":")
}

// noTagNote says why a model of a map has no tag.
func noTagNote(m Model) string {
	note := "its file says so (name: " + NoTag + ")"
	if m.HFName != "" {
		note += ", and knows it on Hugging Face alone, as " + m.HFName
	}
	return note
}

package modelcfg

import (
	"fmt"
	"strings"
)

// NoTagError is a known model that is not in Ollama's library.
type NoTagError struct {
	Name string
	// Note is additional information, as a clause without a full stop; may be empty.
	Note string
	// Alternatives are similar existing tags; may be empty.
	Alternatives []string
}

// Error names the alternatives.
func (e *NoTagError) Error() string {
	text := "model " + e.Name + " has no Ollama tag"
	if e.Note != "" {
		text += ": " + e.Note
	}
	if len(e.Alternatives) > 0 {
		text += "; choose an existing model such as " + strings.Join(e.Alternatives, ", ")
	}
	return text + "; for a model made with ollama create under this name, use a model file with \"ollama: <its tag>\""
}

// Resolve returns the configuration of the run's model. At least one of name and path must be given.
//
// Without path, name is the name or Ollama tag of a model in the catalog. Any other name is a tag that only the server
// knows, with a warning that defaults apply; Alternatives are the nearest known names then. For a catalog model without a tag, the error is a *NoTagError.
//
// With path, the file's settings are used. In a map of models, name selects the model; name may be empty if the map has
// one model. A file with one model is used for any name: if name is neither the model's name nor its tag, the settings
// are used for the model called name, without the file's tag, memory and architecture. A missing tag and architecture
// come from the catalog, if it has a model with that name.
//
// Problems in other models of a map are ignored. The Name of the result is name, if given. A model with a GGUF file
// needs no tag.
func Resolve(name, path string) (Model, []Problem, error) {
	m, warnings, err := find(name, path)
	if err != nil {
		return Model{}, warnings, err
	}
	if m.GGUF != "" {
		return asFile(m), warnings, nil
	}
	if m.Tag() == "" {
		return Model{}, warnings, &NoTagError{m.Name, m.OllamaNote, m.Alternatives}
	}
	if m.Tag() != m.Name {
		text := fmt.Sprintf("model %s has the Ollama tag %s", m.Name, m.Tag())
		if m.OllamaNote != "" {
			text += ": " + m.OllamaNote
		}
		warnings = append(warnings, Problem{Text: text})
	}
	return m, warnings, nil
}

// ResolveFile is like Resolve, but for a model with the given GGUF file and projector, which take precedence over those
// in the YAML. The model needs no tag.
func ResolveFile(name, path, gguf, projector string) (Model, []Problem, error) {
	m, warnings, err := find(name, path)
	if err != nil {
		return Model{}, warnings, err
	}
	if m.File == "" {
		warnings = nil // the name is unknown, and the GGUF file needs no entry
	}
	m.GGUF = gguf
	if projector != "" {
		m.GGUFProjector = projector
	}
	return asFile(m), warnings, nil
}

// asFile returns m without a tag: a model from a file uses its own name.
func asFile(m Model) Model {
	m.Ollama, m.OllamaNote, m.Alternatives = "", "", nil
	return m
}

// find returns the model by its name, its YAML or both, regardless of Ollama's library.
func find(name, path string) (m Model, warnings []Problem, err error) {
	if name != "" && !validName(name) {
		return Model{}, nil, fmt.Errorf("resolve model: name is %q; it must be %s", name, nameRule)
	}
	if name == "" && path == "" {
		return Model{}, nil, fmt.Errorf("resolve model: no name and no model file; it must be %s", nameRule)
	}
	catalog, err := Embedded()
	if err != nil {
		return Model{}, nil, err
	}
	if path == "" {
		m, warnings = fromCatalog(catalog, name)
		return m, warnings, nil
	}
	return fromFile(catalog, name, path)
}

func fromCatalog(catalog *Catalog, name string) (Model, []Problem) {
	m, ok := catalog.Lookup(name)
	if !ok {
		return unknown(catalog, name)
	}
	if m.Name != name { // name is the model's tag
		m.Name, m.OllamaNote = name, ""
	}
	return m, nil
}

// unknown returns a model that the catalog lacks, with the nearest known names.
func unknown(catalog *Catalog, name string) (Model, []Problem) {
	m := Model{Name: name, Ollama: name, Alternatives: catalog.Nearest(name)}
	text := fmt.Sprintf("no model YAML exists for %s: defaults apply, and its size is unknown until the server has the model", name)
	if len(m.Alternatives) > 0 && misspells(plainName(name), plainName(m.Alternatives[0])) {
		text += "; did you mean " + m.Alternatives[0] + "?"
	}
	return m, []Problem{{Text: text}}
}

func fromFile(catalog *Catalog, name, path string) (Model, []Problem, error) {
	data, err := readFile(path)
	if err != nil {
		return Model{}, nil, err
	}
	doc, err := parse(path, data)
	if err != nil {
		return Model{}, nil, err
	}
	warnings := doc.warnings
	if err := validationError(doc.problems); err != nil {
		return Model{}, warnings, err
	}
	e, err := choose(doc, name, path)
	if err != nil {
		return Model{}, warnings, err
	}
	warnings = append(warnings, e.warnings...)
	byLine(warnings)
	if err := validationError(e.problems); err != nil {
		return Model{}, warnings, err
	}
	m := e.model
	switch {
	case name == "" && m.Name == "":
		return Model{}, warnings, fmt.Errorf("resolve model: %s has no name; add the key name, or give the model's name, too", path)
	case m.Name == "":
		m.Name = name
	case name != "" && name != m.Name && name != m.Tag():
		warnings = append(warnings, Problem{File: path, Text: fmt.Sprintf(
			"describes %s; its settings are used for %s, its tag, memory and architecture are not", m.Name, name)})
		m = settingsFor(name, m)
	case name != "" && name == m.Tag():
		m.Name = name
	}
	return fillFrom(catalog, m), warnings, nil
}

// choose returns the entry of a file for a name.
func choose(doc *document, name, path string) (entry, error) {
	if !doc.mapped || name == "" && len(doc.entries) == 1 {
		return doc.entries[0], nil
	}
	var names []string
	for _, e := range doc.entries {
		if e.model.Name == name {
			return e, nil
		}
		names = append(names, e.model.Name)
	}
	for _, e := range doc.entries {
		if name != "" && e.model.Tag() == name {
			return e, nil
		}
	}
	if len(names) > 20 {
		names = append(names[:20], "…")
	}
	if name == "" {
		return entry{}, fmt.Errorf("resolve model: %s has several models; choose one of %s", path, strings.Join(names, ", "))
	}
	return entry{}, fmt.Errorf("resolve model: %s has no model %q; it has %s", path, name, strings.Join(names, ", "))
}

// settingsFor keeps the settings of m and removes the facts about the model of the file.
func settingsFor(name string, m Model) Model {
	kept := Model{File: m.File, Name: name, Resources: m.Resources, Parameters: m.Parameters, System: m.System, Validation: m.Validation}
	kept.Resources.GPUMemory = 0
	kept.Requirements = Requirements{CPUThreads: m.Requirements.CPUThreads, GPUMemoryUtilization: m.Requirements.GPUMemoryUtilization}
	return kept
}

// fillFrom adds the tag (or NoTag) and the architecture from the catalog if m lacks them. It adds no other settings. If
// the file denies a tag that the catalog knows, the tag becomes an alternative.
func fillFrom(catalog *Catalog, m Model) Model {
	known, ok := catalog.Lookup(m.Name)
	if !ok {
		return m
	}
	if m.Ollama == "" && known.Name == m.Name {
		m.Ollama, m.OllamaNote, m.Alternatives = known.Ollama, known.OllamaNote, known.Alternatives
	}
	if m.Ollama == NoTag && len(m.Alternatives) == 0 && known.Tag() != "" {
		m.Alternatives = []string{known.Tag()}
	}
	if m.Tag() != "" && m.Tag() == known.Tag() && m.Architecture.Layers == 0 && m.Architecture.WeightsBytes == 0 {
		m.Architecture = known.Architecture
	}
	return m
}

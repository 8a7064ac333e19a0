package modelcfg

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFile is far above any model YAML: 1 MiB. Above it somebody gave another file by mistake.
const maxFile = 1 << 20

// entry is one model of a file with what is to be said about it.
type entry struct {
	model    Model
	problems []Problem
	warnings []Problem
}

// document is a whole file.
type document struct {
	entries []entry
	mapped  bool // has the key "models"; its entries are then named by their keys
	// problems and warnings outside of the models
	problems []Problem
	warnings []Problem
}

// Load reads a file that holds one model, or a map of models under "models", in the file's order. A model of a map is called
// by its key; a different name inside is the tag to ask Ollama for, if ollama does not say, and NA says that
// there is none, but for a key that is a tag itself. A single model may be without a
// name. What is wrong with the contents comes as one *ValidationError with all of it. Warnings say what was ignored.
func Load(path string) (models []Model, warnings []Problem, err error) {
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

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read model file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read model file: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("read model file: %s is larger than %d bytes; a model YAML is not", path, maxFile)
	}
	return data, nil
}

// parse reads the contents of a file. The error is for a file that holds no models at all; what is wrong within a model is
// in its entry.
func parse(file string, data []byte) (*document, error) {
	root, err := parseYAML(file, data)
	if err != nil {
		return nil, err
	}
	d := newDecoder(file)
	modelsNode := lookup(root, "models")
	if modelsNode == nil {
		if root.Kind == yaml.MappingNode && !d.knowsAny(root) {
			return nil, &ValidationError{[]Problem{{file, root.Line, "",
				"has none of the keys of a model (" + sections() + ", or models with a map of models); is it another file?"}}}
		}
		m := d.model("", root)
		return &document{entries: []entry{{m, d.problems, d.warnings}}}, nil
	}
	doc := &document{mapped: true}
	d.section(map[string]setter{"models": func(path string, n *yaml.Node) {
		for _, p := range d.mapping(path, n) {
			doc.entries = append(doc.entries, mapEntry(file, path, p))
		}
	}})("", root)
	if len(doc.entries) == 0 && len(d.problems) == 0 {
		d.problem(modelsNode, "models", "is empty; it must be a map of models by name")
	}
	doc.problems, doc.warnings = d.problems, d.warnings
	return doc, nil
}

// mapEntry reads one model of a map.
func mapEntry(file, path string, p pair) entry {
	d := newDecoder(file)
	field := join(path, p.key)
	if !validName(p.key) {
		d.problems = append(d.problems, Problem{file, p.line, field, "is not a name for a model; it must be " + nameRule})
	}
	var m Model
	if isNull(p.value) {
		d.warn(p.line, field, "is empty")
	} else {
		m = d.model(field, p.value)
		if m.Ollama == "" && deniesTag(p) {
			m.Ollama, m.OllamaNote = NoTag, noTagNote(m)
		}
	}
	m.File = file
	if m.Name != "" && m.Name != p.key && m.Ollama == "" {
		m.Ollama = m.Name
	}
	m.Name = p.key
	return entry{m, d.problems, d.warnings}
}

// parseYAML returns the root of the file's only document.
func parseYAML(file string, data []byte) (*yaml.Node, error) {
	fail := func(line int, text string) error {
		return &ValidationError{[]Problem{{File: file, Line: line, Text: text}}}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, fail(0, "is empty; it must hold a model with at least one of the keys "+sections())
	case err != nil:
		line, text := splitYAMLError(err)
		return nil, fail(line, "cannot be read as YAML: "+text)
	}
	if err := dec.Decode(&more); err == nil {
		return nil, fail(more.Line, "starts a second YAML document; put several models under the key models")
	} else if !errors.Is(err, io.EOF) {
		line, text := splitYAMLError(err)
		return nil, fail(line, "cannot be read as YAML: "+text)
	}
	if len(doc.Content) != 1 {
		return nil, fail(0, "is empty; it must hold a model with at least one of the keys "+sections())
	}
	root := deref(doc.Content[0])
	if isNull(root) {
		return nil, fail(0, "is empty; it must hold a model with at least one of the keys "+sections())
	}
	return root, nil
}

// splitYAMLError takes "yaml: line 3: text" apart; the library has no error type with the line in it.
func splitYAMLError(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, after, ok := strings.Cut(rest, ": "); ok {
			if _, err := fmt.Sscanf(number, "%d", &line); err == nil {
				return line, after
			}
		}
	}
	return 0, text
}

// lookup returns the value of a key of mapping n, nil if it has none.
func lookup(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if deref(n.Content[i]).Value == key {
			return deref(n.Content[i+1])
		}
	}
	return nil
}

// validationError is nil if there are no problems.
func validationError(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	byLine(problems)
	return &ValidationError{problems}
}

func byLine(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
}

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

// maxFile is 1 MiB, far more than any model YAML. A larger file is a mistake.
const maxFile = 1 << 20

// entry is one model of a file with its problems and warnings.
type entry struct {
	model    Model
	problems []Problem
	warnings []Problem
}

// document is a whole file.
type document struct {
	entries []entry
	mapped  bool // true if the file has the key "models"; the map's keys are the names then
	// problems and warnings outside the models
	problems []Problem
	warnings []Problem
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
		return nil, fmt.Errorf("read model file: %s is larger than %d bytes and so not a model YAML", path, maxFile)
	}
	return data, nil
}

// parse parses the contents of a file with one model, or with a map of models under "models", in the file's order. It
// returns an error if the file holds no models. Errors in a model are in its entry.
//
// The key in the map is the model's name. A different name inside the model is its Ollama tag, unless the key ollama is
// present; NA means that there is no tag, except for a key that is a tag itself. A single model may have no name.
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
			m.Ollama, m.OllamaNote = NoTag, noTagReason(m)
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

// splitYAMLError splits "yaml: line 3: text". The library has no error type with the line.
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

// lookup returns the value of a key in the mapping n, or nil.
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

// validationError returns nil if there are no problems.
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

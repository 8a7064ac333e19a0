package modelcfg

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// maxPairs limits the number of keys read from one file, counting merged keys each time: a few lines of nested anchors
// can expand to billions of keys.
const maxPairs = 100_000

// maxProblems is the maximum number of reported problems per model; more problems mean a wrong file.
const maxProblems = 50

// decoder walks the nodes of one model and collects all problems. yaml's own decoding into structs cannot do that: it
// stops at wrong types, converts some silently, and loses line numbers.
type decoder struct {
	file     string
	problems []Problem
	warnings []Problem
	lines    map[string]int // the line of each key that was read, for messages about two keys
	pairs    int
}

// setter reads the value of one key. path is the full path of the key.
type setter func(path string, n *yaml.Node)

// pair is one key of a mapping with its value.
type pair struct {
	key   string
	line  int
	value *yaml.Node
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, lines: map[string]int{}}
}

func (d *decoder) problem(n *yaml.Node, field, format string, args ...any) {
	if len(d.problems) == maxProblems {
		return
	}
	d.problems = append(d.problems, Problem{d.file, n.Line, field, fmt.Sprintf(format, args...)})
}

func (d *decoder) warn(line int, field, format string, args ...any) {
	d.warnings = append(d.warnings, Problem{d.file, line, field, fmt.Sprintf(format, args...)})
}

// section returns a setter for a mapping with the given keys.
func (d *decoder) section(keys map[string]setter) setter {
	return func(path string, n *yaml.Node) {
		for _, p := range d.mapping(path, n) {
			field := join(path, p.key)
			set, known := keys[p.key]
			switch {
			case !known:
				hint := ""
				if s := suggest(p.key, keys); s != "" {
					hint = "; did you mean " + s + "?"
				}
				d.warn(p.line, field, "is not a known key and is ignored%s", hint)
			case isNull(p.value):
			case isNA(p.value) && p.key != "ollama":
				// For ollama, NA is a value: the model has no tag.
			default:
				d.lines[field] = p.value.Line
				set(field, p.value)
			}
		}
	}
}

// mapping returns the keys of n in order. It resolves anchors and merges, and reports duplicates.
func (d *decoder) mapping(path string, n *yaml.Node) []pair {
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		d.problem(n, path, "is %s; it must hold keys and values", describe(n))
		return nil
	}
	return d.mergedPairs(path, n, 0)
}

func (d *decoder) mergedPairs(path string, n *yaml.Node, depth int) []pair {
	var pairs []pair
	var merges []*yaml.Node
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := deref(n.Content[i]), n.Content[i+1]
		if d.pairs++; d.pairs > maxPairs {
			if d.pairs == maxPairs+1 {
				d.problem(n, path, "makes the file exceed %d keys; use fewer nested merges (<<)", maxPairs)
			}
			return pairs
		}
		if key.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		if first, twice := seen[key.Value]; twice {
			d.problem(key, join(path, key.Value), "is given twice, first in line %d; remove one of them", first)
			continue
		}
		seen[key.Value] = key.Line
		// Messages about an alias name the line of its anchor, where the value must be corrected.
		pairs = append(pairs, pair{key.Value, key.Line, deref(value)})
	}
	for _, m := range merges {
		for _, source := range d.mergeSources(path, m, depth) {
			for _, p := range d.mergedPairs(path, source, depth+1) {
				if _, own := seen[p.key]; !own {
					seen[p.key] = p.line
					pairs = append(pairs, p)
				}
			}
		}
	}
	return pairs
}

// mergeSources returns the mappings of "<<: value".
func (d *decoder) mergeSources(path string, value *yaml.Node, depth int) []*yaml.Node {
	value = deref(value)
	list := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		list = value.Content
	}
	var sources []*yaml.Node
	for _, s := range list {
		if s = deref(s); s.Kind != yaml.MappingNode || depth >= 4 {
			d.problem(value, join(path, "<<"), "must name mappings, merged at most 4 deep")
			return nil
		}
		sources = append(sources, s)
	}
	return sources
}

// deref returns the node of an alias. An alias never refers to another alias.
func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func isNA(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Value == NoTag }

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// describe describes a value as the user wrote it, to complete "the field is …".
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a section with keys"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "empty"
	}
	value := n.Value
	if len(value) > 60 {
		value = value[:60] + "…"
	}
	if n.Tag == "!!str" {
		return fmt.Sprintf("the text %q", value)
	}
	return value
}

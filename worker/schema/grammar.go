package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits of the grammars of the servers. A bound beyond its limit is left out of the schema that a server gets.
const (
	maxLength  = 1_999                 // of minLength and maxLength; llama.cpp's MAX_REPETITION_THRESHOLD is 2000
	maxItems   = 600                   // of minItems and maxItems: newer versions count three rules for each item
	maxCounts  = 20_000                // all these bounds of a schema together: each count is a rule of the grammar
	maxInteger = 1_000_000_000_000_000 // of the bounds of integers: beyond it, llama.cpp repeats a digit 2⁶⁴ times
)

// rewriter changes a schema so that the grammars of the servers hold it, and checks what cannot be changed.
type rewriter struct {
	root    *node
	visited map[*node]bool
	refs    []*node // values of $ref
	counts  int     // rules for the bounds up to here

	size     int // bytes of the grammar up to here, at most
	optional int // third powers of the numbers of optional properties up to here
	changed  bool
}

// rewrite changes the tree of a schema, whose text has the given length. It returns an *UnsupportedError for what no grammar holds.
func rewrite(root *node, length int) (changed bool, _ error) {
	w := &rewriter{root: root, visited: make(map[*node]bool)}
	if err := w.schema(root, ""); err != nil {
		return false, err
	}
	w.moveRoot()
	w.lengthen(length)
	return w.changed, nil
}

// Keywords with subschemas, by the form of their value.
var (
	schemaKeywords = []string{"items", "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "not",
		"propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"}
	listKeywords = []string{"allOf", "anyOf", "items", "oneOf", "prefixItems"}
	mapKeywords  = []string{"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)

// schema changes a schema and its subschemas. at is its JSON pointer.
func (w *rewriter) schema(n *node, at string) error {
	if n.kind != '{' || w.visited[n] {
		return nil
	}
	w.visited[n] = true
	if err := w.keywords(n, at); err != nil {
		return err
	}
	if err := w.measure(n, at); err != nil {
		return err
	}
	for _, m := range n.members {
		if err := w.below(m, at+"/"+m.name); err != nil {
			return err
		}
	}
	if ref := n.get("$ref"); ref != nil {
		return w.ref(ref, at+"/$ref")
	}
	return nil
}

// below changes the subschemas in the value of a keyword.
func (w *rewriter) below(m member, at string) error {
	switch {
	case m.value.kind == '[' && slices.Contains(listKeywords, m.name):
		for i, item := range m.value.items {
			if err := w.schema(item, at+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	case m.value.kind == '{' && slices.Contains(mapKeywords, m.name):
		for _, sub := range m.value.members {
			if err := w.schema(sub.value, at+"/"+sub.name); err != nil {
				return err
			}
		}
	case slices.Contains(schemaKeywords, m.name):
		return w.schema(m.value, at)
	}
	return nil
}

// keywords changes what the grammars do not hold in a schema itself.
func (w *rewriter) keywords(n *node, at string) error {
	for _, name := range []string{"$dynamicRef", "$recursiveRef"} {
		if n.get(name) != nil {
			return &UnsupportedError{at, name + `, which the grammars of the servers lack; use "$ref": "#/$defs/…"`}
		}
	}
	if text, ok := stringOf(n.get("pattern")); ok {
		re, err := pattern(text, at+"/pattern")
		if err != nil {
			return err
		}
		if re != text {
			n.set("pattern", re)
			w.changed = true
		}
	}
	if err := w.bounds(n, at, "minLength", "maxLength", maxLength); err != nil {
		return err
	}
	if err := w.bounds(n, at, "minItems", "maxItems", maxItems); err != nil {
		return err
	}
	if err := w.integer(n, at); err != nil {
		return err
	}
	w.additional(n)
	return nil
}

// pattern returns a pattern in the form of the grammars.
func pattern(text, at string) (string, error) {
	re, err := parsePattern(text)
	var rewritten string
	if err == nil {
		rewritten, err = forGrammar(re)
	}
	if err != nil {
		return "", &UnsupportedError{at, (&patternError{text, err}).Error()}
	}
	return rewritten, nil
}

// bounds leaves out bounds that the grammars do not hold.
func (w *rewriter) bounds(n *node, at, least, most string, limit float64) error {
	low, hasLow := numberOf(n.get(least))
	high, hasHigh := numberOf(n.get(most))
	if hasLow && hasHigh && low > high { // the grammar would have 2⁶⁴ rules
		return &UnsupportedError{at, fmt.Sprintf("%s %g and %s %g, which no value has; correct one of them", least, low, most, high)}
	}
	for _, b := range []struct {
		name  string
		value float64
		has   bool
	}{{least, low, hasLow}, {most, high, hasHigh}} {
		switch {
		case !b.has:
		case b.value > limit || w.counts+int(b.value) > maxCounts:
			w.remove(n, b.name)
		default:
			w.counts += int(b.value)
		}
	}
	return nil
}

// additional leaves out further properties beside a property whose name llama.cpp puts into a class by its bytes.
func (w *rewriter) additional(n *node) {
	additional, properties := n.get("additionalProperties"), n.get("properties")
	if additional == nil || properties == nil || additional.value == false {
		return
	}
	odd := func(m member) bool {
		return strings.ContainsFunc(m.name, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`-"[\]^`, r) })
	}
	if slices.ContainsFunc(properties.members, odd) {
		w.remove(n, "additionalProperties")
	}
}

func (w *rewriter) remove(n *node, name string) {
	n.remove(name)
	w.changed = true
}

// set replaces the value of a member with a string.
func (n *node) set(name, text string) {
	for i := range n.members {
		if n.members[i].name == name {
			n.members[i].value = &node{value: text}
		}
	}
}

func stringOf(n *node) (string, bool) {
	if n == nil {
		return "", false
	}
	s, ok := n.value.(string)
	return s, ok
}

func numberOf(n *node) (float64, bool) {
	if n == nil {
		return 0, false
	}
	number, ok := n.value.(json.Number)
	if !ok {
		return 0, false
	}
	v, err := number.Float64()
	return v, err == nil || v != 0 // an infinite value is beyond each limit
}

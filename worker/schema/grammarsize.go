package schema

import (
	"fmt"
	"strings"
)

// Ollama 0.24 cuts a grammar off at 32 kB, or at four times the length of the schema up to 1 MB, and the rest of a
// grammar ends the server. So a schema with a longer grammar is sent with a comment that makes the schema longer.
const (
	freeGrammar = 32 << 10 // bytes
	maxGrammar  = 1 << 20
)

// maxOptional limits the optional properties of an object: the time to make the grammar grows with their third power,
// and is a second for 300 of them.
const maxOptional = 300

// primitives are the bytes of the rules that many grammars have.
const primitives = 3_000

// measure adds the bytes that the rules of a schema without its subschemas take in a grammar, or more.
func (w *rewriter) measure(n *node, at string) error {
	name := len(strings.ReplaceAll(at, "/properties/", "/")) + 10 // of the rule
	size := name + 30
	if properties := n.get("properties"); properties != nil {
		required := make(map[string]bool)
		if list := n.get("required"); list != nil {
			for _, item := range list.items {
				if text, ok := stringOf(item); ok {
					required[text] = true
				}
			}
		}
		optional := 0
		for _, m := range properties.members {
			child := name + 1 + len(m.name)
			size += 3*child + 2*len(m.name) + 50
			if !required[m.name] {
				optional++
				size += 5*child + 60
			}
			if n.get("additionalProperties") != nil {
				size += 30 * len(m.name)
			}
		}
		if w.optional += optional * optional * optional; w.optional > maxOptional*maxOptional*maxOptional {
			return &UnsupportedError{at, fmt.Sprintf("%d optional properties, for which a server needs minutes (%d together are fine); list them in required, or split the object",
				optional, maxOptional)}
		}
	}
	for _, list := range []string{"allOf", "anyOf", "oneOf", "items", "prefixItems"} {
		if alternatives := n.get(list); alternatives != nil {
			size += len(alternatives.items) * (name + 40)
		}
	}
	for _, fixed := range []string{"enum", "const"} {
		if values := n.get(fixed); values != nil {
			text, err := values.MarshalJSON()
			if err != nil {
				return err
			}
			size += 2*len(text) + 8*len(values.items)
		}
	}
	if text, ok := stringOf(n.get("pattern")); ok {
		size += 3*len(text) + strings.Count(text, "{")*(name+20)
	}
	for _, bound := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"} {
		if n.get(bound) != nil {
			size += 2_000
		}
	}
	if types := n.get("type"); types != nil && types.kind == '[' {
		size *= max(1, len(types.items))
	}
	if w.size += size; w.size > maxGrammar-primitives {
		return &LimitError{fmt.Sprintf("makes a grammar of more than %d bytes", maxGrammar)}
	}
	return nil
}

// lengthen adds a comment to a schema of the given length, if its grammar needs it.
func (w *rewriter) lengthen(length int) {
	needed := w.size + primitives
	if needed <= freeGrammar || needed <= 4*length {
		return
	}
	comment := &node{value: strings.Repeat(" ", needed/4-length+1)}
	w.root.members = append(w.root.members, member{"$comment", comment})
	w.changed = true
}

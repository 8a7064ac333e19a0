package schema

import (
	"fmt"
	"strconv"
	"strings"
)

// ref checks a reference, and changes the schema to which it points.
func (w *rewriter) ref(ref *node, at string) error {
	text, ok := stringOf(ref)
	if !ok {
		return nil // compiling the schema refuses it
	}
	path, local := strings.CutPrefix(text, "#")
	switch {
	case !local && !strings.Contains(text, "#"):
		return invalidf("it refers to another schema, %s; put that schema into its $defs", quote(text))
	case !local || path != "" && path[0] != '/' || strings.ContainsAny(path, "~%"):
		return &UnsupportedError{at, fmt.Sprintf(`%s, which the grammars of the servers lack; use "#/$defs/" and a name of letters and digits`, quote(text))}
	}
	w.refs = append(w.refs, ref)
	target := w.root
	if path != "" {
		for step := range strings.SplitSeq(path[1:], "/") {
			if target = target.child(step); target == nil {
				return invalidf("at %s it refers to %s, which it does not have", at, quote(text))
			}
		}
	}
	return w.schema(target, path) // known already, unless it stands below an unknown keyword
}

func (n *node) child(step string) *node {
	if n.kind == '{' {
		return n.get(step)
	}
	i, err := strconv.Atoi(step)
	if err != nil || i < 0 || i >= len(n.items) {
		return nil
	}
	return n.items[i]
}

// moveRoot moves the schema into its own $defs if it refers to itself as "#": the grammars know "#/…" only.
func (w *rewriter) moveRoot() {
	toRoot := func(ref *node) bool { return ref.value == "#" }
	var refers bool
	for _, ref := range w.refs {
		refers = refers || toRoot(ref)
	}
	if !refers {
		return
	}
	definitions := w.root.get("$defs")
	if definitions == nil {
		definitions = &node{kind: '{'}
	}
	if definitions.kind != '{' {
		return // compiling the schema refuses it
	}
	name := "root"
	for definitions.get(name) != nil {
		name += "_"
	}
	moved := "#/$defs/" + name
	for _, ref := range w.refs {
		switch text := ref.value.(string); {
		case text == "#":
			ref.value = moved
		case strings.HasPrefix(text, "#/$defs/"):
		default: // below what moves
			ref.value = moved + strings.TrimPrefix(text, "#")
		}
	}
	root := &node{kind: '{', members: w.root.members}
	root.remove("$defs")
	definitions.members = append(definitions.members, member{name, root})
	w.root.members = []member{{"$ref", &node{value: moved}}, {"$defs", definitions}}
	w.changed = true
}

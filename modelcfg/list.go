package modelcfg

import "gopkg.in/yaml.v3"

// maxList limits the length of lists; the longest real list has one value per layer.
const maxList = 10_000

// list returns the elements of n with resolved aliases. what names the expected type in the message.
func (d *decoder) list(path string, n *yaml.Node, what string) ([]*yaml.Node, bool) {
	if n.Kind != yaml.SequenceNode || len(n.Content) > maxList {
		d.problem(n, path, "is %s; it must be %s", describe(n), what)
		return nil, false
	}
	elements := make([]*yaml.Node, len(n.Content))
	for i, e := range n.Content {
		elements[i] = deref(e)
	}
	return elements, true
}

// textsField reads a list of non-empty texts.
func (d *decoder) textsField(dst *[]string) setter {
	return func(path string, n *yaml.Node) {
		elements, ok := d.list(path, n, `a list of texts such as ["\n\n", "END"]`)
		if !ok {
			return
		}
		texts := make([]string, 0, len(elements))
		for _, e := range elements {
			s, ok := d.text(path, e, "a list of texts")
			if ok && s == "" {
				d.problem(e, path, "holds an empty text; remove it")
			}
			texts = append(texts, s)
		}
		*dst = texts
	}
}

// namesField reads a list of model names.
func (d *decoder) namesField(dst *[]string) setter {
	return func(path string, n *yaml.Node) {
		elements, _ := d.list(path, n, "a list of Ollama tags")
		for _, e := range elements {
			if s, ok := d.name(path, e); ok {
				*dst = append(*dst, s)
			}
		}
	}
}

// rangeField reads [low, high] within the given limits. If whole is true, both must be whole numbers.
func (d *decoder) rangeField(dst **Range, low, high float64, whole bool) setter {
	return func(path string, n *yaml.Node) {
		what := "a range [lowest, highest] between " + plain(low) + " and " + plain(high)
		elements, ok := d.list(path, n, what)
		if !ok {
			return
		}
		if len(elements) != 2 {
			d.problem(n, path, "has %d values; it must be %s", len(elements), what)
			return
		}
		var bounds [2]float64
		for i, e := range elements {
			if whole {
				v, ok := d.integer(path, e, int64(low), int64(high))
				if !ok {
					return
				}
				bounds[i] = float64(v)
			} else if bounds[i], ok = d.number(path, e, low, high); !ok {
				return
			}
		}
		if bounds[0] > bounds[1] {
			d.problem(n, path, "is [%s, %s]; it must be [lowest, highest]: swap the two", plain(bounds[0]), plain(bounds[1]))
			return
		}
		*dst = &Range{bounds[0], bounds[1]}
	}
}

// perLayerField reads one whole number for all layers (a list of one element), or a list with one number per layer.
func (d *decoder) perLayerField(dst *[]int, low, high int64) setter {
	return func(path string, n *yaml.Node) {
		elements := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			var ok bool
			if elements, ok = d.list(path, n, "a whole number, or a list with one for each layer"); !ok {
				return
			}
		}
		values := make([]int, 0, len(elements))
		for _, e := range elements {
			v, ok := d.integer(path, e, low, high)
			if !ok {
				return
			}
			values = append(values, int(v))
		}
		*dst = values
	}
}

package modelcfg

import (
	"math"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// number reads a number from low to high.
func (d *decoder) number(path string, n *yaml.Node, low, high float64) (float64, bool) {
	n = deref(n)
	var v float64
	if !numeric(n) || n.Decode(&v) != nil {
		d.problem(n, path, "is %s; it must be a number between %s and %s%s", describe(n), plain(low), plain(high), quoteHint(n))
		return 0, false
	}
	if !(v >= low && v <= high) { // also rejects NaN
		d.problem(n, path, "is %s; it must be between %s and %s", n.Value, plain(low), plain(high))
		return 0, false
	}
	return v, true
}

// integer reads a whole number from low to high.
func (d *decoder) integer(path string, n *yaml.Node, low, high int64) (int64, bool) {
	n = deref(n)
	var v int64
	if !numeric(n) || n.Tag != "!!int" || n.Decode(&v) != nil {
		d.problem(n, path, "is %s; it must be a whole number between %d and %d%s", describe(n), low, high, quoteHint(n))
		return 0, false
	}
	if v < low || v > high {
		d.problem(n, path, "is %s; it must be between %d and %d", n.Value, low, high)
		return 0, false
	}
	return v, true
}

// text reads a string. what names the expected text in the message.
func (d *decoder) text(path string, n *yaml.Node, what string) (string, bool) {
	n = deref(n)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		d.problem(n, path, "is %s; it must be %s, in quotes if it looks like something else", describe(n), what)
		return "", false
	}
	return n.Value, true
}

// name reads a model name.
func (d *decoder) name(path string, n *yaml.Node) (string, bool) {
	s, ok := d.text(path, n, nameRule)
	if ok && !validName(s) {
		d.problem(n, path, "is %q; it must be %s", s, nameRule)
		return "", false
	}
	return s, ok
}

func (d *decoder) nameField(dst *string) setter {
	return func(path string, n *yaml.Node) {
		if v, ok := d.name(path, n); ok {
			*dst = v
		}
	}
}

func (d *decoder) textField(dst *string) setter {
	return func(path string, n *yaml.Node) {
		if v, ok := d.text(path, n, "text"); ok {
			*dst = v
		}
	}
}

// verbatimField accepts any scalar as written: in a field for information only, 12.0 without quotes is not an error.
func (d *decoder) verbatimField(dst *string) setter {
	return func(path string, n *yaml.Node) {
		if n.Kind != yaml.ScalarNode {
			d.problem(n, path, "is %s; it must be text", describe(n))
			return
		}
		*dst = n.Value
	}
}

func (d *decoder) boolField(dst *bool) setter {
	return func(path string, n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Decode(dst) != nil {
			d.problem(n, path, "is %s; it must be true or false", describe(n))
		}
	}
}

func (d *decoder) intField(dst *int, low, high int64) setter {
	return func(path string, n *yaml.Node) {
		if v, ok := d.integer(path, n, low, high); ok {
			*dst = int(v)
		}
	}
}

func (d *decoder) int64Field(dst *int64, low, high int64) setter {
	return func(path string, n *yaml.Node) {
		if v, ok := d.integer(path, n, low, high); ok {
			*dst = v
		}
	}
}

func (d *decoder) optionalIntField(dst **int, low, high int64) setter {
	return func(path string, n *yaml.Node) {
		if v, ok := d.integer(path, n, low, high); ok {
			i := int(v)
			*dst = &i
		}
	}
}

func (d *decoder) numberField(dst *float64, low, high float64) setter {
	return func(path string, n *yaml.Node) {
		if v, ok := d.number(path, n, low, high); ok {
			*dst = v
		}
	}
}

func (d *decoder) optionalNumberField(dst **float64, low, high float64) setter {
	return func(path string, n *yaml.Node) {
		if v, ok := d.number(path, n, low, high); ok {
			*dst = &v
		}
	}
}

// sizeField reads a size such as "16GB". It rejects a bare number, which could mean bytes, megabytes or gigabytes.
func (d *decoder) sizeField(dst *int64) setter {
	return func(path string, n *yaml.Node) {
		const rule = `it must be a size with its unit, such as "16GB" (1GB is 1024MB; at most 1024TB)`
		if n.Kind != yaml.ScalarNode {
			d.problem(n, path, "is %s; %s", describe(n), rule)
			return
		}
		v, err := parseSize(n.Value)
		if err != nil {
			d.problem(n, path, "is %s; %s", describe(n), rule)
			return
		}
		*dst = v
	}
}

// numeric reports whether n was written as a number. "4" in quotes is not a number: guessing would hide real mistakes.
func numeric(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float")
}

// quoteHint returns advice for a number in quotes.
func quoteHint(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		return ""
	}
	if _, err := strconv.ParseFloat(strings.TrimSpace(n.Value), 64); err != nil {
		return ""
	}
	return "; remove the quotes"
}

// plain formats a limit without exponent and trailing zeros.
func plain(v float64) string {
	if v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

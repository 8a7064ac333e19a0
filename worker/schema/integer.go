package schema

import (
	"fmt"
	"math"
)

// integer leaves out the bounds of an integer that the grammars do not hold. Bounds without a number between them make a
// grammar that accepts nothing, which ends the server.
func (w *rewriter) integer(n *node, at string) error {
	low, high := -math.MaxFloat64, math.MaxFloat64
	// As llama.cpp reads them: without the part behind the point, and an exclusive bound beside the other counts not.
	for _, b := range []struct {
		name  string
		bound *float64
		shift float64
	}{{"exclusiveMinimum", &low, 1}, {"minimum", &low, 0}, {"exclusiveMaximum", &high, -1}, {"maximum", &high, 0}} {
		v, ok := numberOf(n.get(b.name))
		switch {
		case !ok:
		case v >= maxInteger || v <= -maxInteger:
			w.remove(n, b.name)
		default:
			*b.bound = math.Trunc(v) + b.shift
		}
	}
	if low <= high || !isInteger(n.get("type")) {
		return nil
	}
	return &UnsupportedError{at, fmt.Sprintf("bounds without a whole number between %g and %g; correct minimum or maximum", low, high)}
}

func isInteger(types *node) bool {
	if types == nil {
		return false
	}
	for _, item := range append([]*node{types}, types.items...) {
		if item.value == "integer" {
			return true
		}
	}
	return false
}

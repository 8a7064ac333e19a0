package chart

import (
	"fmt"
	"html/template"
)

// Bars is a histogram: buckets of equal width in the picture.
type Bars struct {
	Text
	Unit  string // of the counts
	Class string // s1, s2 …: the colour
	// Edges are the labels of the limits between buckets: one more than Counts.
	Edges  []string
	Counts []int64
}

// SVG returns the picture.
func (b Bars) SVG() template.HTML {
	var d drawing
	d.begin(b.Text, height)
	most := int64(0)
	for _, n := range b.Counts {
		most = max(most, n)
	}
	y := d.vertical(numberTicks(float64(most), 4, true), b.Unit)
	slot := float64(width-left-right) / float64(max(1, len(b.Counts)))
	x := func(i float64) float64 { return left + i*slot }
	var ticks []tick
	for i, label := range b.Edges {
		ticks = append(ticks, tick{float64(i), label})
	}
	gap := min(2, slot/5)
	for i, n := range b.Counts {
		if n == 0 {
			continue
		}
		h := max(y(0)-y(float64(n)), 0.8) // a single row must be visible
		d.rect("bar "+b.Class, x(float64(i))+gap/2, y(0)-h, slot-gap, h, fmt.Sprintf("%s to %s: %d", b.Edges[i], b.Edges[i+1], n))
	}
	d.line("axis", left, height-bottom, width-right, height-bottom)
	d.horizontal(ticks, height-bottom, x)
	return d.end()
}

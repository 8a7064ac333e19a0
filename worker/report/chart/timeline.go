package chart

import (
	"html/template"
)

// Timeline shows spans of time on lanes.
type Timeline struct {
	Text
	Seconds float64 // the length of the time
	Lanes   []Lane
}

// Lane is a row of a time line.
type Lane struct {
	Name  string // short
	Spans []Span
}

// Span is a span of time, in seconds from the start.
type Span struct {
	From, To float64
	Class    string // how the span ended: complete, stopped, killed, running or failed
	Tooltip  string
}

const (
	laneHeight = 22
	laneBar    = 12
	nameRoom   = 96
)

// SVG returns the picture.
func (t Timeline) SVG() template.HTML {
	var d drawing
	floor := 8 + float64(laneHeight*len(t.Lanes))
	d.begin(t.Text, floor+bottom)
	seconds := max(t.Seconds, 1)
	x := func(s float64) float64 { return nameRoom + s/seconds*(width-nameRoom-right) }
	for i, lane := range t.Lanes {
		y := 8 + float64(i*laneHeight)
		d.text(nameRoom-8, y+10, atEnd, lane.Name)
		d.line("grid", nameRoom, y+laneBar/2, width-right, y+laneBar/2)
		for _, s := range lane.Spans {
			d.rect("span "+s.Class, x(s.From), y, max(x(s.To)-x(s.From), 2), laneBar, s.Tooltip)
		}
	}
	d.line("axis", nameRoom, floor, width-right, floor)
	d.horizontal(timeTicks(seconds, 4), floor, x)
	return d.end()
}

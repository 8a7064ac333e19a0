package chart

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// Lines is a picture of numbers over time.
type Lines struct {
	Text
	Unit    string  // of the numbers
	Seconds float64 // the length of the time
	Whole   bool    // the numbers are whole
	Most    float64 // the vertical axis reaches this number at least
	Series  []Series
	Marks   []Mark
}

// Series is one line of a picture. Its class is "line s1" for the first, and so on.
type Series struct {
	Name string
	Area bool // fill the room below the line
	// Values are at equal distances over the time; NaN leaves a gap.
	Values []float64
}

// Mark is an event at a time.
type Mark struct {
	Seconds float64
	Kind    string // see Symbol
	Tooltip string
}

// MaxMarks is the largest number of marks in a picture, which has the first marks.
const MaxMarks = 60

// SVG returns the picture.
func (l Lines) SVG() template.HTML {
	var d drawing
	d.begin(l.Text, height)
	most := l.Most
	for _, s := range l.Series {
		for _, v := range s.Values {
			if v > most && !isGap(v) {
				most = v
			}
		}
	}
	y := d.vertical(numberTicks(most, 4, l.Whole), l.Unit)
	seconds := max(l.Seconds, 1e-3)
	x := func(s float64) float64 { return left + s/seconds*(width-left-right) }
	d.horizontal(timeTicks(seconds, 5), height-bottom, x)
	for i, s := range l.Series {
		d.series(i, s, seconds, x, y)
	}
	d.line("axis", left, height-bottom, width-right, height-bottom)
	for _, m := range l.Marks[:min(len(l.Marks), MaxMarks)] {
		at := x(min(m.Seconds, seconds))
		fmt.Fprintf(&d, `<g class="mark %s"><title>%s</title>`, html.EscapeString(m.Kind), html.EscapeString(m.Tooltip))
		d.line("rule", at, top-8, at, height-bottom)
		d.WriteString(symbolPath(m.Kind, at, top-8))
		d.WriteString("</g>")
	}
	return d.end()
}

// series draws one line, as a step for each value.
func (d *drawing) series(index int, s Series, seconds float64, x, y func(float64) float64) {
	step := seconds / float64(max(1, len(s.Values)))
	for from := 0; from < len(s.Values); {
		if isGap(s.Values[from]) {
			from++
			continue
		}
		to := from
		for to < len(s.Values) && !isGap(s.Values[to]) {
			to++
		}
		path := steps(s.Values[from:to], func(i int) float64 { return x(float64(from+i) * step) }, y)
		if s.Area {
			fmt.Fprintf(d, `<path class="area s%d" d="%sV%sH%sZ"/>`, index+1, path, number(y(0)), number(x(float64(from)*step)))
		}
		fmt.Fprintf(d, `<path class="line s%d" d="%s"/>`, index+1, path)
		from = to
	}
}

// isGap reports whether a value has no place in a picture.
func isGap(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// steps returns the path of values that each hold for a step. Equal neighbours have one step.
func steps(values []float64, x func(int) float64, y func(float64) float64) string {
	var path strings.Builder
	fmt.Fprintf(&path, "M%s %s", number(x(0)), number(y(values[0])))
	at := number(y(values[0]))
	for i := 1; i < len(values); i++ {
		if next := number(y(values[i])); next != at {
			fmt.Fprintf(&path, "H%sV%s", number(x(i)), next)
			at = next
		}
	}
	fmt.Fprintf(&path, "H%s", number(x(len(values))))
	return path.String()
}

// The kinds of marks with a symbol of their own.
const (
	Start   = "start"
	Restart = "restart"
	Drain   = "drain"
	Pass    = "pass"
)

// symbolPath returns the symbol of a kind of mark, around a point.
func symbolPath(kind string, x, y float64) string {
	at := func(dx, dy float64) string { return number(x+dx) + " " + number(y+dy) }
	switch kind {
	case Restart:
		return fmt.Sprintf(`<path class="symbol" d="M%sL%sL%sZ"/>`, at(0, -5), at(5, 4), at(-5, 4))
	case Drain:
		return fmt.Sprintf(`<path class="symbol" d="M%sh8v8h-8Z"/>`, at(-4, -4))
	case Pass:
		return fmt.Sprintf(`<path class="symbol" d="M%sL%sL%sL%sZ"/>`, at(0, -5.5), at(5.5, 0), at(0, 5.5), at(-5.5, 0))
	}
	return fmt.Sprintf(`<circle class="symbol" cx="%s" cy="%s" r="4"/>`, number(x), number(y))
}

// Symbol returns the symbol of a kind of mark, for a legend.
func Symbol(kind string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="key mark %s" viewBox="0 0 14 14" aria-hidden="true">%s</svg>`, html.EscapeString(kind), symbolPath(kind, 7, 7)))
}

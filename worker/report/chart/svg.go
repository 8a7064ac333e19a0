package chart

import (
	"fmt"
	"html"
	"html/template"
	"strconv"
	"strings"
)

// The sizes of a picture, in units of its viewBox. The page shows a picture about as wide as this, so that text has the size of
// the page's small text.
const (
	width   = 440
	height  = 204
	left    = 46  // room for the labels of the vertical axis
	right   = 20  // half a label
	top     = 30  // room for the unit and for the symbols of marks
	bottom  = 26  // room for the labels of the horizontal axis
	charAdv = 6.8 // the width of a character, at most
)

// Text names a picture.
type Text struct {
	ID          string // unique in the page
	Title       string
	Description string // what a reader sees in the picture, in a sentence
}

// drawing is an SVG under construction.
type drawing struct{ strings.Builder }

// begin opens the SVG.
func (d *drawing) begin(t Text, high float64) {
	id := html.EscapeString(t.ID)
	fmt.Fprintf(d, `<svg class="chart" viewBox="0 0 %d %s" role="img" aria-labelledby="%s-t %s-d">`, width, number(high), id, id)
	fmt.Fprintf(d, `<title id="%s-t">%s</title><desc id="%s-d">%s</desc>`, id, html.EscapeString(t.Title), id, html.EscapeString(t.Description))
}

// end closes the SVG.
func (d *drawing) end() template.HTML {
	d.WriteString("</svg>")
	return template.HTML(d.String())
}

// line draws a straight line.
func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, number(x1), number(y1), number(x2), number(y2))
}

// rect draws a rectangle with a tooltip.
func (d *drawing) rect(class string, x, y, w, h float64, tooltip string) {
	fmt.Fprintf(d, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"><title>%s</title></rect>`,
		class, number(x), number(y), number(w), number(h), html.EscapeString(tooltip))
}

// The sides of a text at which its place is.
const (
	atStart  = "start"
	atMiddle = "middle"
	atEnd    = "end"
)

// text writes a text whose base line is at y.
func (d *drawing) text(x, y float64, anchor, s string) {
	fmt.Fprintf(d, `<text x="%s" y="%s" text-anchor="%s">%s</text>`, number(x), number(y), anchor, html.EscapeString(s))
}

// number returns a coordinate with one decimal place.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'f', 1, 64)
	return strings.TrimSuffix(s, ".0")
}

// vertical draws the vertical axis with its unit, and the lines of its grid. It returns the place of a value.
func (d *drawing) vertical(ticks []tick, unit string) func(v float64) float64 {
	most := ticks[len(ticks)-1].at
	place := func(v float64) float64 { return height - bottom - v/most*(height-bottom-top) }
	for _, t := range ticks {
		y := place(t.at)
		d.line("grid", left, y, width-right, y)
		d.text(left-6, y+4, atEnd, t.label)
	}
	d.text(2, 12, atStart, unit)
	return place
}

// horizontal writes the labels of the horizontal axis below floor, as many as have room.
func (d *drawing) horizontal(ticks []tick, floor float64, place func(v float64) float64) {
	for stride := 1; ; stride++ {
		if !fits(ticks, stride, place) {
			continue
		}
		for i := 0; i < len(ticks); i += stride {
			x, half := place(ticks[i].at), textWidth(ticks[i].label)/2
			d.line("axis", x, floor, x, floor+4)
			d.text(min(x, width-half), floor+bottom-6, atMiddle, ticks[i].label)
		}
		return
	}
}

// fits reports whether every stride-th label has room.
func fits(ticks []tick, stride int, place func(v float64) float64) bool {
	end := -1.0
	for i := 0; i < len(ticks); i += stride {
		half := textWidth(ticks[i].label) / 2
		x := min(place(ticks[i].at), width-half)
		if end >= 0 && x-half < end {
			return false
		}
		end = x + half + charAdv
	}
	return true
}

// textWidth returns the width of a label, at most.
func textWidth(s string) float64 { return charAdv * float64(len([]rune(s))) }

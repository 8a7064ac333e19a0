package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// texts returns the texts of a picture with their places, after a check that the picture is well-formed.
func texts(t *testing.T, svg string) (list []placed) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v in %s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "text" {
			var p placed
			for _, a := range e.Attr {
				switch a.Name.Local {
				case "x":
					p.x, _ = strconv.ParseFloat(a.Value, 64)
				case "y":
					p.y, _ = strconv.ParseFloat(a.Value, 64)
				case "text-anchor":
					p.anchor = a.Value
				}
			}
			next, err := d.Token()
			data, ok := next.(xml.CharData)
			if err != nil || !ok {
				continue // without text
			}
			p.text = string(data)
			list = append(list, p)
		}
	}
	return list
}

type placed struct {
	x, y         float64
	anchor, text string
}

// span returns the room of a text from left to right.
func (p placed) span() (from, to float64) {
	w := textWidth(p.text)
	switch p.anchor {
	case atEnd:
		return p.x - w, p.x
	case atMiddle:
		return p.x - w/2, p.x + w/2
	}
	return p.x, p.x + w
}

// Whatever the numbers and the time are, no two labels touch each other, and none leaves the picture.
func TestLabelsHaveRoom(t *testing.T) {
	t.Parallel()
	for _, seconds := range []float64{0, 0.004, 0.7, 1.5, 9, 61, 100, 3599, 3601, 86_000, 90_000, 1e6, 3e7} {
		for _, most := range []float64{0, 0.0004, 0.7, 1, 3, 99, 1234, 5e6, 7.7e11, math.Inf(1), math.NaN()} {
			svg := string(Lines{Text: Text{ID: "a"}, Unit: "tokens/s", Seconds: seconds, Series: []Series{{Values: []float64{0, most}}}}.SVG())
			list := texts(t, svg)
			for i, a := range list {
				from, to := a.span()
				if from < -12 || to > width+0.1 { // a unit of charAdv is the widest character
					t.Errorf("%g s, %g: %q from %g to %g", seconds, most, a.text, from, to)
				}
				for _, b := range list[i+1:] {
					if f, g := b.span(); math.Abs(a.y-b.y) < 12 && f < to && from < g {
						t.Errorf("%g s, %g: %q and %q touch", seconds, most, a.text, b.text)
					}
				}
			}
			if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
				t.Errorf("%g s, %g: a place is not a number: %s", seconds, most, svg)
			}
		}
	}
}

// The ticks are round, and reach the largest number.
func TestTicks(t *testing.T) {
	t.Parallel()
	for most, want := range map[float64]string{1: "0 0.25 0.5 0.75 1", 37: "0 10 20 30 40", 950: "0 250 500 750 1k", 3020: "0 1k 2k 3k 4k", 0.034: "0 0.01 0.02 0.03 0.04"} {
		var got []string
		for _, tick := range numberTicks(most, 4, false) {
			got = append(got, tick.label)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%g: %s, want %s", most, got, want)
		}
	}
	for seconds, want := range map[float64]string{8: "0 s 2 s 4 s 6 s 8 s", 3000: "0 s 10 min 20 min 30 min 40 min 50 min", 7200: "0 s 30 min 1 h 1 h 30 min 2 h", 300_000: "0 s 1 d 2 d 3 d"} {
		var got []string
		for _, tick := range timeTicks(seconds, 5) {
			got = append(got, tick.label)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%g s: %s, want %s", seconds, got, want)
		}
	}
}

// A gap in the values is a gap in the line.
func TestGaps(t *testing.T) {
	t.Parallel()
	gap := math.NaN()
	svg := string(Lines{Seconds: 10, Series: []Series{{Values: []float64{gap, 1, 1, gap, 2}}}}.SVG())
	if n := len(regexp.MustCompile(`<path class="line s1"`).FindAllString(svg, -1)); n != 2 {
		t.Errorf("%d lines, want 2: %s", n, svg)
	}
}

// Texts of others do nothing in a picture, and a picture has a title and a description.
func TestPicturesAreEscapedAndNamed(t *testing.T) {
	t.Parallel()
	evil := `"><script>pwned=1</script>]]>&'`
	name := Text{ID: "a", Title: evil, Description: evil}
	for _, svg := range []string{
		string(Lines{Text: name, Unit: evil, Seconds: 1, Series: []Series{{Name: evil, Values: []float64{1}}}, Marks: []Mark{{Kind: evil, Tooltip: evil}}}.SVG()),
		string(Bars{Text: name, Unit: evil, Class: "s1", Edges: []string{evil, "2"}, Counts: []int64{3}}.SVG()),
		string(Timeline{Text: name, Seconds: 5, Lanes: []Lane{{Name: evil, Spans: []Span{{To: 5, Class: "complete", Tooltip: evil}}}}}.SVG()),
	} {
		texts(t, svg)
		if strings.Contains(svg, "<script") {
			t.Errorf("a script: %s", svg)
		}
		for _, want := range []string{`role="img"`, `aria-labelledby="a-t a-d"`, `<title id="a-t">`, `<desc id="a-d">`} {
			if !strings.Contains(svg, want) {
				t.Errorf("no %s in %s", want, svg)
			}
		}
		if strings.Contains(svg, "style=") || strings.Contains(svg, `fill="#`) {
			t.Errorf("a colour of its own: %s", svg)
		}
	}
}

// Each count has a bar; a single row among a million is still seen.
func TestBars(t *testing.T) {
	t.Parallel()
	svg := string(Bars{Class: "s1", Edges: []string{"0", "1", "2", "3"}, Counts: []int64{1_000_000, 0, 1}}.SVG())
	heights := regexp.MustCompile(`height="([0-9.]+)"><title>`).FindAllStringSubmatch(svg, -1)
	if len(heights) != 2 || heights[1][1] != "0.8" {
		t.Errorf("bars %v in %s", heights, svg)
	}
	var labels []string
	for _, p := range texts(t, svg) {
		labels = append(labels, p.text)
	}
	if !slices.Contains(labels, "1M") || !slices.Contains(labels, "3") {
		t.Errorf("labels %q", labels)
	}
}

package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"fluxworker/worker/record"
	"fluxworker/worker/report/chart"
)

// mostSteps is the number of steps of a line over time.
const mostSteps = 200

// timeAxis divides the time of a clock into steps of equal length.
type timeAxis struct {
	clock clock
	step  float64 // seconds
	total float64 // seconds
}

func newTimeAxis(c clock) timeAxis {
	total := c.total()
	return timeAxis{clock: c, total: total, step: total / mostSteps}
}

// spread calls do for each step between two times, with the part of the step that lies between them, from 0 to 1.
func (x timeAxis) spread(from, to time.Time, do func(step int, part float64)) {
	if x.step <= 0 {
		return
	}
	a, b := x.clock.at(from), x.clock.at(to)
	for i := int(a / x.step); i < mostSteps; i++ {
		lo, hi := max(a, float64(i)*x.step), min(b, float64(i+1)*x.step)
		if hi <= lo {
			if float64(i)*x.step >= b {
				return
			}
			continue
		}
		do(i, (hi-lo)/x.step)
	}
}

// rates are the numbers of all runs over time.
type rates struct {
	rows, in, out   []float64 // for each second
	inFlight, slots []float64
}

func newRates() rates {
	empty := func() []float64 { return make([]float64, mostSteps) }
	return rates{empty(), empty(), empty(), empty(), empty()}
}

// add adds the moments of an attempt.
func (r rates) add(x timeAxis, moments []record.Moment) {
	for i := 1; i < len(moments); i++ {
		a, b := moments[i-1], moments[i]
		took := x.clock.at(b.At) - x.clock.at(a.At)
		if took <= 0 {
			continue
		}
		rows := float64(b.OK+b.Failed-a.OK-a.Failed) / took
		in, out := float64(b.TokensIn-a.TokensIn)/took, float64(b.TokensOut-a.TokensOut)/took
		x.spread(a.At, b.At, func(step int, part float64) {
			r.rows[step] += max(0, rows) * part
			r.in[step] += max(0, in) * part
			r.out[step] += max(0, out) * part
			r.inFlight[step] += float64(a.InFlight) * part
			r.slots[step] += float64(a.Slots) * part
		})
	}
}

// picture is a chart with its legend.
type picture struct {
	Title   string
	SVG     any // template.HTML
	Legend  []legend
	Caption string
}

// legend explains a line or a symbol of a picture.
type legend struct {
	Class  string // of a line; "" for a symbol
	Symbol any    // template.HTML; nil for a line
	Name   string
}

// overTime returns the pictures of the rows and tokens over time; none without moments.
func (f *facts) overTime() []picture {
	x, sum, some := f.axis, newRates(), false
	for _, r := range f.runs {
		for _, moments := range r.moments {
			some = some || len(moments) > 1
			sum.add(x, moments)
		}
	}
	if !some || x.total <= 0 {
		return nil
	}
	marks := marksOf(f.events)
	lines := func(id, title, unit string, whole bool, series ...chart.Series) picture {
		l := chart.Lines{Text: chart.Text{ID: id, Title: title, Description: describe(unit, x.total, series)}, Unit: unit, Seconds: x.total, Whole: whole, Series: series, Marks: marks}
		return picture{Title: title, SVG: l.SVG(), Legend: legendOf(series)}
	}
	return []picture{
		lines("rows", "Rows per second", "rows/s", false, chart.Series{Name: "rows with a line", Area: true, Values: sum.rows}),
		lines("written", "Tokens written per second", "tokens/s", false, chart.Series{Name: "tokens of answers", Area: true, Values: sum.out}),
		lines("read", "Tokens read per second", "tokens/s", false, chart.Series{Name: "tokens of prompts", Area: true, Values: sum.in}),
		lines("flight", "Rows in flight and slots", "rows", true, chart.Series{Name: "rows in flight", Area: true, Values: sum.inFlight}, chart.Series{Name: "slots", Values: sum.slots}),
	}
}

// legendOf returns the legend of lines; none for a single line, which the title names.
func legendOf(series []chart.Series) []legend {
	if len(series) < 2 {
		return nil
	}
	list := make([]legend, len(series))
	for i, s := range series {
		list[i] = legend{Class: fmt.Sprintf("s%d", i+1), Name: s.Name}
	}
	return list
}

// describe returns a sentence about lines, for readers who do not see them.
func describe(unit string, total float64, series []chart.Series) string {
	parts := make([]string, len(series))
	for i, s := range series {
		sum, most, n := 0.0, 0.0, 0.0
		for _, v := range s.Values {
			if !math.IsNaN(v) {
				sum, most, n = sum+v, max(most, v), n+1
			}
		}
		parts[i] = fmt.Sprintf("%s: mean %s, highest %s", s.Name, chart.Number(sum/max(1, n)), chart.Number(most))
	}
	return fmt.Sprintf("%s over %s. %s.", unit, chart.Seconds(total), strings.Join(parts, "; "))
}

// kinds are the events that the pictures mark.
func kinds() []struct{ kind, name string } {
	return []struct{ kind, name string }{
		{chart.Start, "run started again"}, {chart.Restart, "server restarted"}, {chart.Drain, "drain"}, {chart.Pass, "pass with a longer context"},
	}
}

// event is an event of a run, for the table and the marks.
type event struct {
	At             time.Time
	Shard          string
	Attempt        int
	Kind, Name     string
	Detail         string
	secondsOfClock float64
}

// listEvents returns the events that the pictures mark, in the order of time.
func (f *facts) listEvents() []event {
	var list []event
	for _, r := range f.runs {
		for _, m := range slices.Concat(r.moments...) {
			kind := string(m.Event)
			i := slices.IndexFunc(kinds(), func(k struct{ kind, name string }) bool { return k.kind == kind })
			if i < 0 || m.Event == record.EventStart && len(r.attempts) > 0 && m.Attempt == r.attempts[0].Number {
				continue
			}
			list = append(list, event{At: m.At, Shard: r.name, Attempt: m.Attempt, Kind: kind, Name: kinds()[i].name, Detail: clip(m.Detail, maxMessage), secondsOfClock: f.axis.clock.at(m.At)})
		}
	}
	slices.SortStableFunc(list, func(a, b event) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
	return list
}

// marksOf returns the marks of events.
func marksOf(events []event) (marks []chart.Mark) {
	for _, e := range events {
		text := fmt.Sprintf("%s after %s", e.Name, chart.Seconds(math.Round(e.secondsOfClock)))
		if e.Detail != "" {
			text += ": " + e.Detail
		}
		marks = append(marks, chart.Mark{Seconds: e.secondsOfClock, Kind: e.Kind, Tooltip: text})
	}
	return marks
}

// marksLegend explains the marks of all pictures over time.
func marksLegend(events []event) (keys []legend) {
	counts := make(map[string]int)
	for _, e := range events {
		counts[e.Kind]++
	}
	for _, k := range kinds() {
		if n := counts[k.kind]; n > 0 {
			keys = append(keys, legend{Symbol: chart.Symbol(k.kind), Name: fmt.Sprintf("%s (%d)", k.name, n)})
		}
	}
	return keys
}

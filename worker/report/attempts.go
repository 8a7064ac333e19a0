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
	"fluxworker/worker/status"
)

// The numbers of attempts that a report shows.
const (
	maxLanes       = 48  // of the time line
	maxAttemptRows = 200 // of the table
)

// attemptRow is an attempt in the table.
type attemptRow struct {
	Shard   string
	Number  int
	Job     string
	Host    string
	Started time.Time
	Took    string
	Rows    string
	Rate    string
	Outcome string
	Class   string // see outcomeOf
}

// outcomeOf returns how an attempt ended, as a class of the page and in words. The record of an attempt that was killed says
// that the attempt runs.
func (f *facts) outcomeOf(r *run, i int) (class, words string) {
	a := r.attempts[i]
	switch {
	case a.Outcome == record.Complete:
		return "complete", "complete"
	case a.Outcome == record.Running:
		if i == len(r.attempts)-1 && f.stateOf(r.name) == status.Running {
			return "running", "running"
		}
		return "killed", "killed"
	case a.Outcome == record.Tried:
		return "stopped", "the rows of a trial are asked"
	case strings.HasPrefix(a.Outcome, "stopped by "):
		class = "stopped"
	default:
		class = "failed"
	}
	if f.config.NoText {
		return class, class
	}
	return class, clip(a.Outcome, maxMessage)
}

// stateOf returns the state of a shard.
func (f *facts) stateOf(name string) status.State {
	for _, s := range f.status.Shards {
		if s.Shard == name {
			return s.State
		}
	}
	return status.Stopped
}

// attemptRows returns the table of the attempts, in the order of their starts, and says what it lacks.
func (f *facts) attemptRows() (list []attemptRow, lacks string) {
	for n := range f.runs {
		r := &f.runs[n]
		for i, a := range r.attempts {
			span := r.spans[i]
			row := attemptRow{Shard: r.name, Number: a.Number, Job: clip(a.Job, maxName), Host: clip(a.Host, maxName), Started: a.Summary.Started}
			row.Took = chart.Seconds(rounded(span.to.Sub(span.from).Seconds()))
			row.Rows = grouped(a.Summary.OK)
			if a.Summary.Failed > 0 {
				row.Rows += fmt.Sprintf(" + %s failed", grouped(a.Summary.Failed))
			}
			if a.Summary.RowsPerSecond > 0 {
				row.Rate = chart.Number(a.Summary.RowsPerSecond)
			}
			row.Class, row.Outcome = f.outcomeOf(r, i)
			list = append(list, row)
		}
	}
	slices.SortStableFunc(list, func(a, b attemptRow) int { return a.Started.Compare(b.Started) })
	if more := len(list) - maxAttemptRows; more > 0 {
		return list[more:], count(int64(more), "earlier attempt")
	}
	return list, ""
}

// rounded returns seconds without the digits that do not matter.
func rounded(s float64) float64 {
	switch {
	case s >= 600:
		return math.Round(s/60) * 60
	case s >= 10:
		return math.Round(s)
	}
	return s
}

// timeline returns the picture of the attempts: a lane for each of the last attempts of a whole output, or for each shard; nil
// without an attempt.
func (f *facts) timeline() *picture {
	p := picture{Title: "Attempts over the hours of the clock"}
	from := 0
	if len(f.runs) == 1 {
		if from = max(0, len(f.runs[0].attempts)-maxLanes); from > 0 {
			p.Caption = fmt.Sprintf("The picture lacks %s.", count(int64(from), "earlier attempt"))
		}
	}
	first, last := time.Time{}, time.Time{}
	for _, r := range f.runs {
		for _, s := range r.spans[from:] {
			if first.IsZero() || s.from.Before(first) {
				first = s.from
			}
			if s.to.After(last) {
				last = s.to
			}
		}
	}
	if first.IsZero() {
		return nil
	}
	var lanes []chart.Lane
	used := make(map[string]bool)
	for n := range f.runs {
		r := &f.runs[n]
		lane := chart.Lane{Name: cmp.Or(r.name, "all rows")}
		for i, a := range r.attempts[from:] {
			s := r.spans[from+i]
			class, words := f.outcomeOf(r, from+i)
			used[class] = true
			text := fmt.Sprintf("attempt %d on %s", a.Number, clip(a.Host, maxName))
			if a.Job != "" {
				text += ", job " + clip(a.Job, maxName)
			}
			lane.Spans = append(lane.Spans, chart.Span{From: s.from.Sub(first).Seconds(), To: s.to.Sub(first).Seconds(), Class: class,
				Tooltip: fmt.Sprintf("%s, %s: %s", text, chart.Seconds(rounded(s.to.Sub(s.from).Seconds())), words)})
			if len(f.runs) == 1 {
				lanes = append(lanes, chart.Lane{Name: fmt.Sprintf("attempt %d", a.Number), Spans: lane.Spans[i:]})
			}
		}
		if len(f.runs) > 1 && len(lane.Spans) > 0 {
			lanes = append(lanes, lane)
		}
	}
	if more := len(lanes) - maxLanes; more > 0 {
		lanes = lanes[:maxLanes]
		p.Caption = fmt.Sprintf("The picture lacks %s.", count(int64(more), "shard"))
	}
	for _, class := range []string{"complete", "running", "stopped", "killed", "failed"} {
		if used[class] {
			p.Legend = append(p.Legend, legend{Class: "span " + class, Name: class})
		}
	}
	t := chart.Timeline{
		Text:    chart.Text{ID: "attempts", Title: p.Title, Description: fmt.Sprintf("%s from %s on.", count(int64(len(f.summaries())), "attempt"), first.UTC().Format(timeFormat))},
		Seconds: last.Sub(first).Seconds(), Lanes: lanes,
	}
	p.SVG = t.SVG()
	return &p
}

// timeFormat is the form of times in a report. All of them are UTC.
const timeFormat = "2006-01-02 15:04:05 UTC"

package report

import (
	"slices"
	"time"

	"fluxworker/worker/record"
)

// clock counts the time in which at least one attempt ran. The pauses between attempts, in which a job waits in a queue, are left
// out of the pictures.
type clock struct{ spans []span }

// span is a time in which attempts ran without a pause.
type span struct{ from, to time.Time }

// spanOf returns the time of an attempt by its record and its moments.
func (r *run) spanOf(i int) span {
	a := r.attempts[i]
	s := span{a.Summary.Started, a.Summary.Started.Add(seconds(a.Summary.WallSeconds))}
	for _, m := range r.moments {
		if m.Attempt == a.Number && m.At.After(s.to) {
			s.to = m.At
		}
	}
	return s
}

// newClock joins spans.
func newClock(spans []span) clock {
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var c clock
	for _, s := range spans {
		if n := len(c.spans); n > 0 && !s.from.After(c.spans[n-1].to) {
			if s.to.After(c.spans[n-1].to) {
				c.spans[n-1].to = s.to
			}
			continue
		}
		c.spans = append(c.spans, s)
	}
	return c
}

// at returns the seconds of the clock at a time.
func (c clock) at(t time.Time) float64 {
	sum := 0.0
	for _, s := range c.spans {
		if t.Before(s.from) {
			break
		}
		end := s.to
		if t.Before(end) {
			end = t
		}
		sum += end.Sub(s.from).Seconds()
	}
	return sum
}

// total returns the seconds of all spans.
func (c clock) total() float64 {
	if len(c.spans) == 0 {
		return 0
	}
	return c.at(c.spans[len(c.spans)-1].to)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// askClock returns the clock of the time in which rows were answered. It takes the end of an attempt for the end of its answers:
// the records have only the length of that time.
func (f *facts) askClock() clock {
	var spans []span
	for _, r := range f.runs {
		for _, a := range r.attempts {
			end := a.Summary.Started.Add(seconds(a.Summary.WallSeconds))
			if a.Summary.AskSeconds > 0 {
				spans = append(spans, span{end.Add(-seconds(a.Summary.AskSeconds)), end})
			}
		}
	}
	return newClock(spans)
}

// runClock returns the clock of all attempts.
func (f *facts) runClock() clock {
	var spans []span
	for _, r := range f.runs {
		for i := range r.attempts {
			spans = append(spans, r.spanOf(i))
		}
	}
	return newClock(spans)
}

// sorted returns the moments of each attempt in the order of time.
func (r *run) sorted() [][]record.Moment {
	byAttempt := make(map[int][]record.Moment)
	var numbers []int
	for _, m := range r.moments {
		if byAttempt[m.Attempt] == nil {
			numbers = append(numbers, m.Attempt)
		}
		byAttempt[m.Attempt] = append(byAttempt[m.Attempt], m)
	}
	slices.Sort(numbers)
	all := make([][]record.Moment, len(numbers))
	for i, n := range numbers {
		all[i] = byAttempt[n]
		slices.SortStableFunc(all[i], func(a, b record.Moment) int { return a.At.Compare(b.At) })
	}
	return all
}

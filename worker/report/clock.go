package report

import (
	"cmp"
	"slices"
	"time"

	"fluxworker/worker/record"
)

// clock counts the time in which at least one attempt ran. The pauses between attempts, in which a job waits in a queue, are left
// out of the pictures.
type clock struct{ spans []span }

// span is a time in which attempts ran without a pause.
type span struct{ from, to time.Time }

// spansOf returns the times of attempts by their records and their moments.
func spansOf(attempts []record.Attempt, moments [][]record.Moment) []span {
	last := make(map[int]time.Time, len(moments)) // moment of an attempt
	for _, list := range moments {
		last[list[0].Attempt] = list[len(list)-1].At
	}
	spans := make([]span, len(attempts))
	for i, a := range attempts {
		spans[i] = span{a.Summary.Started, a.Summary.Started.Add(seconds(a.Summary.WallSeconds))}
		if at := last[a.Number]; at.After(spans[i].to) {
			spans[i].to = at
		}
	}
	return spans
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
		spans = append(spans, r.spans...)
	}
	return newClock(spans)
}

// byAttempt returns the moments of each attempt in the order of time.
func byAttempt(all []record.Moment) (list [][]record.Moment) {
	slices.SortStableFunc(all, func(a, b record.Moment) int {
		return cmp.Or(cmp.Compare(a.Attempt, b.Attempt), a.At.Compare(b.At))
	})
	for i, m := range all {
		if n := len(list) - 1; n >= 0 && list[n][0].Attempt == m.Attempt {
			list[n] = append(list[n], m)
		} else {
			list = append(list, all[i:i+1:i+1])
		}
	}
	return list
}

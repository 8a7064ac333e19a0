package dispatch

import "time"

const (
	// gain is how many times more answers in a second a doubled number of rows must give; a full server gives no more.
	gain = 1.15
	// loss is how many times the answers in a second a halved number must give. Fewer rows then wait in the server's queue, where
	// their time runs, and a drain takes less time.
	loss = 0.9
	// measured is the number of answers of a measurement, for each row at once, and minMeasured the smallest number: the times of
	// rows differ.
	measured, minMeasured = 4, 64
	// rest is the time from the end of a search to the next: later rows may be longer or shorter.
	rest = 30 * time.Minute
)

// climb finds how many rows a server of unknown size should get at once. It doubles the number as long as the server answers more
// in a second. Where the first doubling gains nothing, it halves the number as long as the server answers hardly fewer. Then it
// rests.
type climb struct {
	most int // rows at once

	kept  int       // the best number so far; 0 before the first measurement
	rate  float64   // answers in a second with it
	falls bool      // smaller numbers are tried, else larger ones
	rose  bool      // a larger number has gained
	rests bool      // no number is tried
	began time.Time // of the measurement; zero while rows of the number before are answered
	full  bool      // the server had about as many rows as it may have when the measurement began
}

// next takes the answers in a second with so many rows at once, and returns the number to try next; over means that it is found.
func (c *climb) next(rows int, rate float64) (_ int, over bool) {
	switch {
	case c.kept == 0:
		c.kept, c.rate = rows, rate
	case c.falls && rate >= loss*c.rate:
		c.kept, c.rate = rows, max(c.rate, rate)
	case !c.falls && rate >= gain*c.rate:
		c.kept, c.rate, c.rose = rows, rate, true
	case c.falls || c.rose:
		return c.end()
	default:
		c.falls = true
	}
	switch {
	case !c.falls && c.kept < c.most:
		return min(2*c.kept, c.most), false
	case c.rose || c.kept == 1:
		return c.end()
	}
	c.falls = true
	return c.kept / 2, false
}

func (c *climb) end() (int, bool) {
	c.rests = true
	return c.kept, true
}

// again begins another search.
func (c *climb) again() { *c = climb{most: c.most} }

// answersTo returns how many answers to wait for before the next step with so many rows at once; before is the number of rows at
// once that was set before.
func (c *climb) answersTo(rows, before int) int {
	switch {
	case c.rests:
		return windowRounds * rows
	case c.began.IsZero():
		return before
	}
	return max(measured*rows, minMeasured)
}

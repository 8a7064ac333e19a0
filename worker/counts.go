package worker

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// Counts is a run as it goes. Its methods may be called from any goroutine while Run works.
type Counts struct {
	allRead atomic.Bool
	read    atomic.Int64 // rows of the input seen so far
	offset  atomic.Int64 // bytes of the input that they took
	taken   atomic.Int64 // rows read that need an answer
	skipped atomic.Int64 // rows whose line was there before
	// failedBefore is how many of these are failures.
	failedBefore atomic.Int64
	asked        atomic.Int64 // rows that came to their line by the server's answer, good or bad
	ok           atomic.Int64
	failed       atomic.Int64
	cut          atomic.Int64 // rows that were answered, but not to the end: max_tokens was reached
	empty        atomic.Int64 // rows with an answer that says nothing

	putOff atomic.Int64 // how often a row was left for servers with a longer context

	tokensIn  atomic.Int64
	tokensOut atomic.Int64

	size    atomic.Int64 // bytes of the input; 0 where unknown
	clock   atomic.Int64 // when the first row was asked, in ns since 1970
	stopped atomic.Int64 // when the last one was done, likewise
	warning atomic.Int64 // failed rows that were logged one by one
	ends    atomic.Int64 // when the last row must have its line, likewise; 0 without a deadline
}

// shownFailures is how many failed rows are named in the log. The errors file has them all.
const shownFailures = 10

// startClock begins the time. Where it was begun before, it goes on.
func (c *Counts) startClock() {
	c.clock.CompareAndSwap(0, time.Now().UnixNano())
	c.stopped.Store(0)
}

// stopClock ends the time that the rates are over: what the servers take to end does not slow any row.
func (c *Counts) stopClock() { c.stopped.Store(time.Now().UnixNano()) }

// saw counts a row of the input, which reaches to the given byte.
func (c *Counts) saw(offset int64) {
	c.read.Add(1)
	c.offset.Store(offset)
}

func (c *Counts) answered(answers []*ollama.Answer) {
	c.asked.Add(1)
	c.ok.Add(1)
	cut, empty := false, false
	for _, a := range answers {
		c.tokensIn.Add(int64(a.PromptTokens))
		c.tokensOut.Add(int64(a.CompletionTokens))
		cut, empty = cut || a.Cut(), empty || a.Empty()
	}
	if cut {
		c.cut.Add(1)
	}
	if empty {
		c.empty.Add(1)
	}
}

func (c *Counts) fail(log zerolog.Logger, row prompt.Row, code, message string) {
	c.failed.Add(1)
	switch n := c.warning.Add(1); {
	case n <= shownFailures:
		log.Warn().Int64("line", row.Line).Str("custom_id", row.CustomID).Str("code", code).Msg("row failed: " + message)
	case n == shownFailures+1:
		log.Warn().Msg("more rows failed; they are named in the errors file only")
	}
}

// unanswered is how many rows were read and need an answer that they do not have yet.
func (c *Counts) unanswered() int64 { return c.taken.Load() - c.asked.Load() }

// Progress is a moment of a run.
type Progress struct {
	OK, Failed, Skipped int64
	TokensIn, TokensOut int64
	Elapsed             time.Duration // since the first row was asked; 0 before
	// Ends is when the job takes no row any more; zero where it has no deadline.
	Ends time.Time
	// Total is how many rows the input has: counted once it is read to its end, before that estimated from how much of
	// the file the rows so far took. 0 where there is nothing to estimate from (a pipe).
	Total int64
}

// Done is how many rows have their line.
func (p Progress) Done() int64 { return p.OK + p.Failed + p.Skipped }

// RowsPerSecond and TokensPerSecond are the rates since the first row was asked.
func (p Progress) RowsPerSecond() float64   { return rate(p.OK, p.Elapsed) }
func (p Progress) TokensPerSecond() float64 { return rate(p.TokensOut, p.Elapsed) }

func rate(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Left is how long the rows without a line will take at the rate so far; 0 where that is not known.
func (p Progress) Left() time.Duration {
	if p.RowsPerSecond() == 0 || p.Total == 0 {
		return 0
	}
	return time.Duration(float64(p.Total-p.Done()) / p.RowsPerSecond() * float64(time.Second))
}

// Late is how much later than the deadline allows the last row will have its line, at the rate so far: negative where there
// is time to spare. False where that is not known.
func (p Progress) Late(now time.Time) (time.Duration, bool) {
	if p.Ends.IsZero() || p.Left() == 0 {
		return 0, false
	}
	return now.Add(p.Left()).Sub(p.Ends), true
}

// Progress takes the moment.
func (c *Counts) Progress() Progress {
	p := Progress{
		OK: c.ok.Load(), Failed: c.failed.Load(), Skipped: c.skipped.Load(),
		TokensIn: c.tokensIn.Load(), TokensOut: c.tokensOut.Load(),
	}
	if t := c.clock.Load(); t != 0 {
		p.Elapsed = time.Since(time.Unix(0, t))
		if end := c.stopped.Load(); end != 0 {
			p.Elapsed = time.Duration(end - t)
		}
	}
	if t := c.ends.Load(); t != 0 {
		p.Ends = time.Unix(0, t)
	}
	p.Total = c.total()
	return p
}

func (c *Counts) total() int64 {
	read, offset, size := c.read.Load(), c.offset.Load(), c.size.Load()
	if c.allRead.Load() {
		return read
	}
	if size <= 0 || offset <= 0 {
		return 0
	}
	return max(read, int64(float64(read)*float64(size)/float64(offset)))
}

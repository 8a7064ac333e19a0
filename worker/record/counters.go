package record

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// Counters count the rows of a run as it goes. The methods may be called from any goroutine.
type Counters struct {
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

	inputRows atomic.Int64 // of all shards; valid once all is read
	deferred  atomic.Int64 // how often a row was left for servers with a longer context

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

// StartClock begins the time that the rates are over, or goes on with it.
func (c *Counters) StartClock() {
	c.clock.CompareAndSwap(0, time.Now().UnixNano())
	c.stopped.Store(0)
}

// StopClock ends the time that the rates are over: the end of the servers slows no row.
func (c *Counters) StopClock() { c.stopped.Store(time.Now().UnixNano()) }

// Expect says how large the input is, in bytes (0 where that is unknown), and when the last row must have its line (zero
// without a deadline).
func (c *Counters) Expect(size int64, ends time.Time) {
	c.size.Store(size)
	if !ends.IsZero() {
		c.ends.Store(ends.UnixNano())
	}
}

// Saw counts a row of the input, which reaches to the given byte.
func (c *Counters) Saw(offset int64) {
	c.read.Add(1)
	c.offset.Store(offset)
}

// SawAll says that the input is read to its end, for the rows of this shard: of all shards it has so many.
func (c *Counters) SawAll(rows int64) {
	c.inputRows.Store(rows)
	c.allRead.Store(true)
}

// AllRead reports whether the input is read to its end.
func (c *Counters) AllRead() bool { return c.allRead.Load() }

// InputRows returns how many rows the input has, of all shards; 0 until all are read.
func (c *Counters) InputRows() int64 { return c.inputRows.Load() }

// Take counts a row that needs an answer.
func (c *Counters) Take() { c.taken.Add(1) }

// Skip counts a row that had its line before; failed says that the line is a failure.
func (c *Counters) Skip(failed bool) {
	c.skipped.Add(1)
	if failed {
		c.failedBefore.Add(1)
	}
}

// Skipped returns how many rows had their line before.
func (c *Counters) Skipped() int64 { return c.skipped.Load() }

// Defer counts a row that is left for servers with a longer context.
func (c *Counters) Defer() { c.deferred.Add(1) }

// Answer counts a row with its answers.
func (c *Counters) Answer(answers []*ollama.Answer) {
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

// Fail counts a row that gets an error line, and names the first of them in the log. taken says that the row was taken before.
func (c *Counters) Fail(log zerolog.Logger, row prompt.Row, code, message string, taken bool) {
	if taken {
		c.asked.Add(1)
	}
	c.failed.Add(1)
	switch n := c.warning.Add(1); {
	case n <= shownFailures:
		log.Warn().Int64("line", row.Line).Str("custom_id", row.CustomID).Str("code", code).Msg("row failed: " + message)
	case n == shownFailures+1:
		log.Warn().Msg("more rows failed; they are named in the errors file only")
	}
}

// Unanswered returns how many rows were taken and have no line yet.
func (c *Counters) Unanswered() int64 { return c.taken.Load() - c.asked.Load() }

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

// Done returns how many rows have their line.
func (p Progress) Done() int64 { return p.OK + p.Failed + p.Skipped }

// RowsPerSecond and TokensPerSecond return the rates since the first row was asked.
func (p Progress) RowsPerSecond() float64   { return rate(p.OK, p.Elapsed) }
func (p Progress) TokensPerSecond() float64 { return rate(p.TokensOut, p.Elapsed) }

func rate(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Left returns how long the rows without a line will take at the rate so far; 0 where that is not known.
func (p Progress) Left() time.Duration {
	if p.RowsPerSecond() == 0 || p.Total == 0 {
		return 0
	}
	return time.Duration(float64(p.Total-p.Done()) / p.RowsPerSecond() * float64(time.Second))
}

// Late returns how much later than the deadline allows the last row will have its line, at the rate so far: negative where there
// is time to spare. False where that is not known.
func (p Progress) Late(now time.Time) (time.Duration, bool) {
	if p.Ends.IsZero() || p.Left() == 0 {
		return 0, false
	}
	return now.Add(p.Left()).Sub(p.Ends), true
}

// Progress returns the moment.
func (c *Counters) Progress() Progress {
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

func (c *Counters) total() int64 {
	read, offset, size := c.read.Load(), c.offset.Load(), c.size.Load()
	if c.allRead.Load() {
		return read
	}
	if size <= 0 || offset <= 0 {
		return 0
	}
	return max(read, int64(float64(read)*float64(size)/float64(offset)))
}

package record

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// Counters count the rows of a running run. The methods are safe for concurrent use.
type Counters struct {
	allRead      atomic.Bool
	read         atomic.Int64 // rows of this run's part of the input, so far
	offset       atomic.Int64 // bytes of the input up to the end of the last row that was read
	taken        atomic.Int64 // rows without a line that went to the queue
	skipped      atomic.Int64 // rows with a line of an earlier run
	failedBefore atomic.Int64 // of the skipped rows, those with an error line
	asked        atomic.Int64 // of the taken rows, those with a line of this run
	ok           atomic.Int64 // rows with an answer of this run
	failed       atomic.Int64 // rows with an error line of this run
	cut          atomic.Int64 // of the ok rows, those with an answer that was cut at max_tokens
	empty        atomic.Int64 // of the ok rows, those with an empty answer

	inputRows  atomic.Int64 // of all shards; valid once all rows are read
	unselected atomic.Int64 // rows of this run's part of the input that a trial leaves out (--sample); valid once all rows are read
	deferred   atomic.Int64 // rows that were deferred; a row counts once for each pass

	tokensIn     atomic.Int64
	tokensCached atomic.Int64 // of tokensIn, those that the slots had read already
	tokensOut    atomic.Int64

	enough  atomic.Bool
	size    atomic.Int64 // of the input, in bytes; 0 where unknown
	limit   atomic.Int64 // of the rows that this run reads (--limit); 0 without a limit
	clock   atomic.Int64 // time of the first StartClock, in ns since 1970; 0 before
	stopped atomic.Int64 // time of the last StopClock, in ns since 1970; 0 while the clock runs
	warning atomic.Int64 // failed rows, for the limit of the log
	ends    atomic.Int64 // when the last row must have its line, in ns since 1970; 0 without a deadline
}

// shownFailures is the number of failed rows that the log names. The errors file has all of them.
const shownFailures = 10

// StartClock starts the clock of the rates, or lets it run on.
func (c *Counters) StartClock() {
	c.clock.CompareAndSwap(0, time.Now().UnixNano())
	c.stopped.Store(0)
}

// StopClock stops the clock of the rates: the time to end the servers does not count.
func (c *Counters) StopClock() { c.stopped.Store(time.Now().UnixNano()) }

// Expect sets the size of the input, in bytes (0 where unknown), the number of rows after which the run ends (0 without a limit), and
// the time at which the last row must have its line (zero without a deadline).
func (c *Counters) Expect(size, limit int64, ends time.Time) {
	c.size.Store(size)
	c.limit.Store(limit)
	if !ends.IsZero() {
		c.ends.Store(ends.UnixNano())
	}
}

// Saw counts a row of the input that ends at the given offset, in bytes.
func (c *Counters) Saw(offset int64) {
	c.read.Add(1)
	c.offset.Store(offset)
}

// SawAll reports that the input is read to its end. rows is the number of rows of all shards, unselected that of the rows of this
// run's shard that a trial leaves out.
func (c *Counters) SawAll(rows, unselected int64) {
	c.inputRows.Store(rows)
	c.unselected.Store(unselected)
	c.allRead.Store(true)
}

// SawEnough reports that the rows of a trial are read (--limit), and the others are left.
func (c *Counters) SawEnough() { c.enough.Store(true) }

// AllRead reports whether all rows that this run asks are read.
func (c *Counters) AllRead() bool { return c.allRead.Load() || c.enough.Load() }

// InputRows returns the number of rows of the input, of all shards; 0 until all rows are read.
func (c *Counters) InputRows() int64 { return c.inputRows.Load() }

// Take counts a row that goes to the queue.
func (c *Counters) Take() { c.taken.Add(1) }

// Skip counts a row with a line of an earlier run; failed means an error line.
func (c *Counters) Skip(failed bool) {
	c.skipped.Add(1)
	if failed {
		c.failedBefore.Add(1)
	}
}

// Skipped returns the number of rows with a line of an earlier run.
func (c *Counters) Skipped() int64 { return c.skipped.Load() }

// Defer counts a row that is deferred to servers with a longer context.
func (c *Counters) Defer() { c.deferred.Add(1) }

// Answer counts a row with its answers.
func (c *Counters) Answer(answers []*ollama.Answer) {
	c.asked.Add(1)
	c.ok.Add(1)
	cut, empty := false, false
	for _, a := range answers {
		c.tokensIn.Add(int64(a.PromptTokens))
		c.tokensCached.Add(int64(a.CachedTokens))
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

// Fail counts a row that gets an error line, and logs the first shownFailures of these rows. taken means that Take counted
// the row.
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

// Unanswered returns the number of taken rows without a line.
func (c *Counters) Unanswered() int64 { return c.taken.Load() - c.asked.Load() }

// Progress is the state of a run at one moment.
type Progress struct {
	OK, Failed, Skipped int64         // rows
	TokensIn, TokensOut int64         // of this run's answers
	Elapsed             time.Duration // of the clock of the rates; 0 before the first pass
	// Ends is the time at which the last row must have its line; zero without a deadline.
	Ends time.Time
	// Total is the number of rows of this run's part of the input, or the limit of a trial. Before the end of the input is read, it
	// is an estimate from the bytes of the rows so far; 0 where no estimate is possible (a pipe).
	Total int64
}

// Done returns the number of rows with a line.
func (p Progress) Done() int64 { return p.OK + p.Failed + p.Skipped }

// RowsPerSecond returns the rate of answered rows.
func (p Progress) RowsPerSecond() float64 { return rate(p.OK, p.Elapsed) }

// TokensPerSecond returns the rate of the tokens that the model wrote.
func (p Progress) TokensPerSecond() float64 { return rate(p.TokensOut, p.Elapsed) }

// rate returns n per second; 0 for no time.
func rate(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Left returns the time for the rows without a line at the rate so far; 0 where it is not known.
func (p Progress) Left() time.Duration {
	if p.RowsPerSecond() == 0 || p.Total == 0 {
		return 0
	}
	return time.Duration(float64(p.Total-p.Done()) / p.RowsPerSecond() * float64(time.Second))
}

// Late returns the time from Ends to the line of the last row, at the rate so far: negative where the rows end in time. It
// returns false where the time is not known.
func (p Progress) Late(now time.Time) (time.Duration, bool) {
	if p.Ends.IsZero() || p.Left() == 0 {
		return 0, false
	}
	return now.Add(p.Left()).Sub(p.Ends), true
}

// Progress returns the present state.
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
	if limit := c.limit.Load(); limit > 0 && (p.Total > limit || p.Total == 0) {
		p.Total = limit
	}
	return p
}

// Moment returns a moment with the numbers of the counters.
func (c *Counters) Moment() Moment {
	return Moment{
		OK: c.ok.Load(), Failed: c.failed.Load(),
		TokensIn: c.tokensIn.Load(), TokensCached: c.tokensCached.Load(), TokensOut: c.tokensOut.Load(),
	}
}

// total returns Progress.Total.
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

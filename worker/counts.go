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
	taken   atomic.Int64 // rows read that need an answer
	skipped atomic.Int64 // rows whose line was there before
	asked   atomic.Int64 // rows that came to their line by the server's answer, good or bad
	ok      atomic.Int64
	failed  atomic.Int64

	tokensIn  atomic.Int64
	tokensOut atomic.Int64

	source  atomic.Pointer[prompt.Source]
	clock   atomic.Int64 // when the first row was asked, in ns since 1970
	warning atomic.Int64 // failed rows that were logged one by one
}

// shownFailures is how many failed rows are named in the log. The errors file has them all.
const shownFailures = 10

func (c *Counts) setSource(s *prompt.Source) { c.source.Store(s) }
func (c *Counts) startClock()                { c.clock.Store(time.Now().UnixNano()) }

func (c *Counts) answered(a *ollama.Answer) {
	c.asked.Add(1)
	c.ok.Add(1)
	c.tokensIn.Add(int64(a.PromptTokens))
	c.tokensOut.Add(int64(a.CompletionTokens))
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

// Left is how many rows were read and need an answer that they do not have yet.
func (c *Counts) Left() int64 { return c.taken.Load() - c.asked.Load() }

// Progress is a moment of a run.
type Progress struct {
	OK, Failed, Skipped int64
	TokensIn, TokensOut int64
	Elapsed             time.Duration // since the first row was asked; 0 before
	InputRead           float64       // part of the input that was read, 0 to 1; -1 where its size is not known
}

// Progress takes the moment.
func (c *Counts) Progress() Progress {
	p := Progress{
		OK: c.ok.Load(), Failed: c.failed.Load(), Skipped: c.skipped.Load(),
		TokensIn: c.tokensIn.Load(), TokensOut: c.tokensOut.Load(),
		InputRead: -1,
	}
	if t := c.clock.Load(); t != 0 {
		p.Elapsed = time.Since(time.Unix(0, t))
	}
	if s := c.source.Load(); s != nil && s.Size() > 0 {
		p.InputRead = min(1, float64(s.Offset())/float64(s.Size()))
	}
	return p
}

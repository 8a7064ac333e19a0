package main

import (
	"fluxworker/worker/record"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// logEvery is the time between two progress lines in a log: a job of one day writes about 3,000.
const logEvery = 30 * time.Second

// console writes to standard error what a person sees of a run: the log, and a bar or lines with the progress.
type console struct {
	log zerolog.Logger
	bar *bar // nil without a bar
	on  bool // progress lines in the log
}

func newConsole(progress, level, format string) (*console, error) {
	if err := oneOf("progress", progress, "auto", "bar", "log", "none"); err != nil {
		return nil, err
	}
	if err := oneOf("log-format", format, "text", "json"); err != nil {
		return nil, err
	}
	if err := oneOf("log-level", level, "debug", "info", "warn", "error"); err != nil {
		return nil, err
	}
	c := &console{on: progress == "log"}
	if progress == "auto" {
		if term.IsTerminal(int(os.Stderr.Fd())) {
			progress = "bar"
		} else {
			c.on = true
		}
	}
	var out io.Writer = os.Stderr
	if progress == "bar" {
		c.bar = newBar()
		out = c.bar
	}
	if format == "text" {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.DateTime, NoColor: !term.IsTerminal(int(os.Stderr.Fd())), FormatPrepare: escapedFields}
	} else {
		out = jsonEscaper{out}
	}
	parsed, err := zerolog.ParseLevel(level)
	if err != nil {
		return nil, usagef("--log-level: %w", err)
	}
	c.log = zerolog.New(out).Level(parsed).With().Timestamp().Logger()
	return c, nil
}

// bar is a progress bar below the lines of the log. The library's own lock does not cover all fields that its methods read,
// and log lines arrive while the bar is drawn.
type bar struct {
	mu    sync.Mutex
	drawn *progressbar.ProgressBar
}

func newBar() *bar {
	return &bar{drawn: progressbar.NewOptions(-1, // until the first rows give an estimate
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionSetWidth(20),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetSpinnerChangeInterval(0), // else a goroutine draws, which nothing ends
		progressbar.OptionSetPredictTime(false),       // rows done before would spoil its estimate
	)}
}

// Write writes a line of the log in the bar's place; the bar is drawn again below it.
func (b *bar) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drawn.Clear()
	return os.Stderr.Write(line)
}

// draw shows how many rows are done. A total of 0 is unknown.
func (b *bar) draw(text string, done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if total > 0 {
		b.drawn.ChangeMax64(total + 1) // the library does not draw a full bar again
	}
	b.drawn.Describe(text)
	b.drawn.Set64(done)
}

func (b *bar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drawn.Clear()
}

// show reports the progress of the run until the caller calls end.
func (c *console) show(counts *record.Counters) (end func()) {
	every := logEvery
	if c.bar != nil {
		every = 200 * time.Millisecond
	}
	if c.bar == nil && !c.on {
		return func() {}
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.tell(counts.Progress())
			case <-stop:
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
		if c.bar != nil {
			c.bar.clear()
		}
	}
}

func (c *console) tell(p record.Progress) {
	if c.bar != nil {
		text := fmt.Sprintf("%d ok, %d failed, %.1f rows/s, %.0f tok/s", p.OK+p.Skipped, p.Failed, p.RowsPerSecond(), p.TokensPerSecond())
		if left := p.Left(); left > 0 {
			text += fmt.Sprintf(", %s left", left.Round(time.Second))
		}
		if late, ok := p.Late(time.Now()); ok && late > 0 {
			text += fmt.Sprintf(", %s more than the job has", late.Round(time.Second))
		}
		c.bar.draw(text, p.Done(), p.Total)
		return
	}
	e := c.log.Info().Int64("ok", p.OK).Int64("failed", p.Failed).Int64("done_before", p.Skipped).
		Float64("rows_per_s", round(p.RowsPerSecond())).Float64("tokens_per_s", round(p.TokensPerSecond()))
	if p.Total > 0 {
		e = e.Int64("rows", p.Total).Float64("percent", round(100*float64(p.Done())/float64(p.Total)))
	}
	if left := p.Left(); left > 0 {
		e = e.Stringer("left", left.Round(time.Second))
	}
	if late, ok := p.Late(time.Now()); ok && late > 0 {
		e.Stringer("late", late.Round(time.Second)).Msg("progress; the job's time will not be enough for all rows")
		return
	} else if ok {
		e = e.Stringer("to_spare", -late.Round(time.Second))
	}
	e.Msg("progress")
}

// round keeps one decimal, for human readers of the log.
func round(v float64) float64 { return float64(int64(v*10+0.5)) / 10 }

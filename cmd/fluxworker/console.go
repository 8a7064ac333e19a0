package main

import (
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/cmd/fluxworker/terminal"
	"fluxworker/worker/record"
)

// logEvery is the time between two progress lines in a log: a job of one day writes about 3,000.
const logEvery = 30 * time.Second

// drawEvery is the time between two looks of the bar at the counters and at the width of the window.
const drawEvery = 200 * time.Millisecond

// console writes to standard error what a person sees of a run: the log, and a bar or lines with the progress.
type console struct {
	log zerolog.Logger
	bar *terminal.Line // nil without a bar
	on  bool           // progress lines in the log
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
		if terminal.Redraws(os.Stderr) {
			progress = "bar"
		} else {
			c.on = true
		}
	}
	var out io.Writer = os.Stderr
	if progress == "bar" {
		c.bar = terminal.NewLine(os.Stderr)
		out = c.bar
	}
	if format == "text" {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.DateTime, NoColor: !bool(terminal.ColoursOf(os.Stderr)), FormatPrepare: escapedFields}
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

// show reports the progress of the run until the caller calls end.
func (c *console) show(counts *record.Counters) (end func()) {
	every := logEvery
	if c.bar != nil {
		every = drawEvery
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
			c.bar.Clear()
		}
	}
}

func (c *console) tell(p record.Progress) {
	if c.bar != nil {
		c.bar.Show(progressColumns(p, time.Now()))
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

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"fluxworker/worker"
)

// logEvery is the time between two progress lines in a log: a day's job makes some 3,000.
const logEvery = 30 * time.Second

// console is what a person sees of a run on standard error: the log, and a bar or lines that tell how far it is.
type console struct {
	log zerolog.Logger
	bar *progressbar.ProgressBar // nil without one
	on  bool                     // progress lines in the log
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
		out = aboveBar{c.bar}
	}
	if format == "text" {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.DateTime, NoColor: !term.IsTerminal(int(os.Stderr.Fd()))}
	}
	parsed, err := zerolog.ParseLevel(level)
	if err != nil {
		return nil, usagef("--log-level: %w", err)
	}
	c.log = zerolog.New(out).Level(parsed).With().Timestamp().Logger()
	return c, nil
}

// steps is the bar's resolution: how much of the input's bytes is read.
const steps = 1000

func newBar() *progressbar.ProgressBar {
	return progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionSetWidth(20),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetElapsedTime(false),
	)
}

// aboveBar keeps log lines and the bar out of each other's way.
type aboveBar struct{ bar *progressbar.ProgressBar }

func (w aboveBar) Write(line []byte) (int, error) {
	w.bar.Clear()
	return os.Stderr.Write(line)
}

// show tells the run's progress until the returned function is called.
func (c *console) show(counts *worker.Counts) (end func()) {
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
			c.bar.Clear()
		}
	}
}

func (c *console) tell(p worker.Progress) {
	rows, tokens := 0.0, 0.0
	if s := p.Elapsed.Seconds(); s > 0 {
		rows, tokens = float64(p.OK)/s, float64(p.TokensOut)/s
	}
	if c.bar != nil {
		c.bar.Describe(fmt.Sprintf("%d ok, %d failed, %.1f rows/s, %.0f tok/s", p.OK+p.Skipped, p.Failed, rows, tokens))
		c.bar.Set(int(steps * max(0, p.InputRead)))
		return
	}
	e := c.log.Info().Int64("ok", p.OK).Int64("failed", p.Failed).Int64("done_before", p.Skipped).
		Float64("rows_per_s", round(rows)).Float64("tokens_per_s", round(tokens))
	if p.InputRead >= 0 {
		e = e.Float64("input_read_percent", round(100*p.InputRead))
	}
	e.Msg("progress")
}

// round keeps one decimal: a log is read by people.
func round(v float64) float64 { return float64(int64(v*10+0.5)) / 10 }

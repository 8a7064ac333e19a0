package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"fluxworker/cmd/fluxworker/terminal"
	"fluxworker/worker/status"
)

// watchEvery is the time between two looks at the output. The records of a run change less often, its lines and its lock more often.
const watchEvery = 2 * time.Second

// statusReader reads the status of an output.
type statusReader func(context.Context) (status.Status, error)

// look is the status of an output at one moment.
type look struct {
	status.Status
	at  time.Time
	err error // of a later attempt to read the status, which is tried again
}

// watch shows the status until every shard is finished, or the user or a signal ends the view.
func watch(ctx context.Context, read statusReader) error {
	ctx, stop := signal.NotifyContext(ctx, endingSignals()...)
	defer stop()
	context.AfterFunc(ctx, stop) // while a file system does not answer, a second signal ends the program
	s, err := read(ctx)
	switch {
	case ctx.Err() != nil:
		return errUnfinished
	case err != nil:
		return err
	}
	first := look{Status: s, at: time.Now()}
	if terminal.Redraws(os.Stdout) {
		return watchOnScreen(ctx, stop, first, read)
	}
	return watchLines(ctx, os.Stdout, first, read)
}

// watchOnScreen shows the table on the second screen of the terminal, and leaves the last table on the first screen. stop ends ctx
// and gives the signals back.
func watchOnScreen(ctx context.Context, stop func(), last look, read statusReader) error {
	screen, err := terminal.OpenScreen(os.Stdout)
	if err != nil {
		return fmt.Errorf("print status: %w", err)
	}
	looks, ended := make(chan look), make(chan struct{})
	go func() {
		defer close(ended)
		lookAgain(ctx, last, read, looks)
	}()
	last, err = drawLooks(ctx, screen, last, looks)
	columns, lines := screen.Size()
	closeErr := screen.Close() // before the wait: a file system may answer late, and the terminal is the user's again
	stop()
	<-ended
	if err == nil {
		err = closeErr
	}
	if err == nil {
		_, err = fmt.Println(strings.Join(last.frame(columns, lines, false, ""), "\n"))
	}
	switch {
	case !last.Complete: // also where the terminal is closed, and the last table cannot be written
		return errUnfinished
	case err != nil:
		return fmt.Errorf("print status: %w", err)
	}
	return nil
}

// lookAgain sends a look every watchEvery, until ctx ends.
func lookAgain(ctx context.Context, last look, read statusReader, looks chan<- look) {
	for pause(ctx, watchEvery) {
		if s, err := read(ctx); err != nil {
			last.err = err
		} else {
			last = look{Status: s, at: time.Now()}
		}
		select {
		case looks <- last:
		case <-ctx.Done():
			return
		}
	}
}

// pause waits; it returns false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// drawLooks draws each look and each size of the window, until the end of the view. It returns the last look.
func drawLooks(ctx context.Context, screen *terminal.Screen, last look, looks <-chan look) (look, error) {
	colours := terminal.ColoursOf(os.Stdout)
	for {
		columns, lines := screen.Size()
		notice := "q or Ctrl-C ends the view, not the runs"
		if last.err != nil {
			notice = "the last table is from " + last.at.Format(time.TimeOnly) + ": " + shown(last.err.Error())
		}
		if err := screen.Draw(last.frame(columns, lines, colours, notice)); err != nil || last.Complete {
			return last, err
		}
		select {
		case last = <-looks:
		case <-screen.Resized():
		case <-screen.Quit():
			return last, nil
		case <-ctx.Done():
			return last, nil
		}
	}
}

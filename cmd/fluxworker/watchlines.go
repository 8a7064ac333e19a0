package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"fluxworker/worker/status"
)

// watchLinesEvery is the time between two lines for a file or a pipe.
const watchLinesEvery = 10 * time.Second

// watchLines writes a line for each change, until every shard is finished or ctx ends.
func watchLines(ctx context.Context, out io.Writer, first look, read statusReader) error {
	before := ""
	for s, err := first.Status, error(nil); ; s, err = read(ctx) {
		text := ""
		switch {
		case ctx.Err() != nil:
			return errUnfinished
		case err != nil:
			text = "the status cannot be read, and is read again: " + shown(err.Error())
		default:
			text = statusLine(s, time.Now())
		}
		if text != before {
			if _, err := fmt.Fprintf(out, "%s %s\n", time.Now().Format(time.DateTime), text); err != nil {
				return fmt.Errorf("print status: %w", err)
			}
			before = text
		}
		if err == nil && s.Complete {
			return nil
		}
		if !pause(ctx, watchLinesEvery) {
			return errUnfinished
		}
	}
}

// statusLine sums up a status in a line.
func statusLine(s status.Status, now time.Time) string {
	text := statesOf(s.Shards)
	if len(s.Shards) == 1 {
		text = string(s.Shards[0].State)
	}
	t := s.Total
	text += fmt.Sprintf(": %d", t.OK+t.Failed)
	if t.Rows > 0 {
		text += " of " + rowCount(t)
	}
	text += fmt.Sprintf(" rows, %d failed", t.Failed)
	if t.RowsPerSecond > 0 {
		text += fmt.Sprintf(", %.1f rows/s", t.RowsPerSecond)
	}
	if t.SecondsLeft > 0 {
		text += ", " + roughly(durationOf(t.SecondsLeft)) + " left"
	}
	if n := lateShards(s.Shards, now); n > 0 {
		text += fmt.Sprintf(", jobs that end before their rows: %d", n)
	}
	return text
}

// lateShards returns the number of running shards whose rows do not end before their job.
func lateShards(shards []status.ShardStatus, now time.Time) int {
	n := 0
	for _, s := range shards {
		if late, known := s.Late(now); known && late > 0 {
			n++
		}
	}
	return n
}

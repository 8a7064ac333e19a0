package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"fluxworker/cmd/fluxworker/terminal"
	"fluxworker/worker/status"
)

// byInterest are the states of shards, the most interesting first.
var byInterest = []status.State{status.Running, status.Killed, status.Stopped, status.Waiting, status.Finished}

// frame returns the table as lines, as many as fit a window. The last line is the notice, unless it is "".
func (l look) frame(columns, lines int, colours terminal.Colours, notice string) []string {
	shards := slices.Clone(l.Shards)
	slices.SortStableFunc(shards, func(a, b status.ShardStatus) int {
		return cmp.Compare(slices.Index(byInterest, a.State), slices.Index(byInterest, b.State))
	})
	room := lines - 2 // the title and the header
	if len(shards) > 1 {
		room-- // the total
	}
	if notice != "" {
		room--
	}
	var others []status.ShardStatus
	if len(shards) > room {
		fit := max(1, room-1) // a line for the number of the others
		shards, others = shards[:fit], shards[fit:]
	}
	frame := terminal.Lines(l.title(), columns, colours)
	frame = append(frame, terminal.Lines(l.columns(shards), columns, colours)...)
	if len(others) > 0 {
		frame = append(frame, terminal.Cut(fmt.Sprintf("… and %d more: %s", len(others), statesOf(others)), columns))
	}
	if notice != "" {
		frame = append(frame, terminal.Cut(notice, columns))
	}
	return frame[:min(len(frame), lines)]
}

// title returns the first line of a frame.
func (l look) title() []terminal.Column {
	return []terminal.Column{
		{Rank: 1, CutTo: 12, Cells: []terminal.Cell{{Text: shown(l.Output)}}},
		{Rank: 2, Cells: []terminal.Cell{{Text: l.at.Format(time.TimeOnly)}}},
	}
}

// columns returns the table of some shards, with the total of all.
func (l look) columns(shards []status.ShardStatus) []terminal.Column {
	header := func(text string) []terminal.Cell { return []terminal.Cell{{Text: text, Colour: terminal.Faint}} }
	name := terminal.Column{Rank: 1, WideRank: 5, Cells: header("SHARD")}
	state := terminal.Column{Rank: 2, Cells: header("STATE")}
	bar := terminal.Column{Rank: 8, CutTo: shortBar, Bar: longBar, Cells: header("PROGRESS")}
	part := terminal.Column{Rank: 5, Right: true, Cells: header("")}
	done := terminal.Column{Rank: 3, Right: true, Cells: header("DONE")}
	failed := terminal.Column{Rank: 6, Right: true, Cells: header("FAILED")}
	rate := terminal.Column{Rank: 9, Right: true, Cells: header("ROWS/S")}
	left := terminal.Column{Rank: 4, WideRank: 7, Cells: header("LEFT")}
	gpu := terminal.Column{Rank: 10, Right: true, Cells: header("GPU")}
	run := terminal.Column{Rank: 11, WideRank: 12, CutTo: 16, Cells: header("RUN")}
	add := func(r status.RowStatus, complete bool) {
		bar.Cells = append(bar.Cells, terminal.Cell{Part: partOf(r, complete)})
		part.Cells = append(part.Cells, terminal.Cell{Text: percent(partOf(r, complete))})
		of := fmt.Sprintf("%d/%s", r.OK+r.Failed, or(rowCount(r), "?"))
		done.Cells = append(done.Cells, terminal.Cell{Text: of})
		cell := terminal.Cell{Text: fmt.Sprint(r.Failed)}
		if r.Failed > 0 {
			cell.Colour = terminal.Red
		}
		failed.Cells = append(failed.Cells, cell)
		cell = terminal.Cell{Text: "-"}
		if r.RowsPerSecond > 0 {
			cell.Text = fmt.Sprintf("%.1f", r.RowsPerSecond)
		}
		rate.Cells = append(rate.Cells, cell)
	}
	hasGPU := false
	for _, s := range shards {
		add(s.RowStatus, s.State == status.Finished)
		number, _, _ := strings.Cut(s.Shard, "-of-")
		name.Cells = append(name.Cells, terminal.Cell{Text: or(s.Shard, "(all)"), Short: number})
		state.Cells = append(state.Cells, terminal.Cell{Text: string(s.State), Colour: stateColour(s.State)})
		late, known := s.Late(l.at)
		left.Cells = append(left.Cells, timeLeft(durationOf(s.SecondsLeft), late, known))
		cell := terminal.Cell{Text: "-"}
		if s.GPUUse != nil {
			cell.Text, hasGPU = fmt.Sprintf("%.0f%%", *s.GPUUse), true
		}
		gpu.Cells = append(gpu.Cells, cell)
		run.Cells = append(run.Cells, terminal.Cell{Text: runOf(s)})
	}
	if len(l.Shards) > 1 {
		add(l.Total, l.Complete)
		name.Cells = append(name.Cells, terminal.Cell{Text: "total"})
		state.Cells = append(state.Cells, terminal.Cell{Text: fmt.Sprintf("%d/%d finished", count(l.Shards, status.Finished), len(l.Shards)),
			Short: fmt.Sprintf("%d/%d", count(l.Shards, status.Finished), len(l.Shards))})
		left.Cells = append(left.Cells, timeLeft(durationOf(l.Total.SecondsLeft), 0, false))
		gpu.Cells, run.Cells = append(gpu.Cells, terminal.Cell{}), append(run.Cells, terminal.Cell{})
	}
	columns := []terminal.Column{name, state, bar, part, done, failed, rate, left, gpu, run}
	if !hasGPU {
		columns = slices.Delete(columns, 8, 9)
	}
	return columns
}

// partOf returns the part of the rows that have a line. Only a complete shard is full, since the number of rows may be an estimate.
func partOf(r status.RowStatus, complete bool) float64 {
	switch {
	case complete:
		return 1
	case r.Rows == 0:
		return 0
	}
	return min(float64(r.OK+r.Failed)/float64(r.Rows), 0.99)
}

func stateColour(s status.State) terminal.Colour {
	switch s {
	case status.Running:
		return terminal.Green
	case status.Killed:
		return terminal.Red
	case status.Stopped:
		return terminal.Yellow
	}
	return ""
}

// runOf returns the holder of a shard, or the reason why the last run has stopped.
func runOf(s status.ShardStatus) string {
	switch {
	case s.State == status.Killed:
		return "last seen " + seconds(s.Holder.HeartbeatAge) + " ago: " + shown(holderOf(s.Holder))
	case s.Holder != nil:
		return shown(holderOf(s.Holder))
	case s.State == status.Stopped:
		return shown(lastOutcome(s))
	}
	return ""
}

// statesOf counts the states of some shards, such as "2 running, 3 waiting".
func statesOf(shards []status.ShardStatus) string {
	var parts []string
	for _, state := range byInterest {
		if n := count(shards, state); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

func count(shards []status.ShardStatus, state status.State) int {
	n := 0
	for _, s := range shards {
		if s.State == state {
			n++
		}
	}
	return n
}

// shown makes the text of others safe for a line on a terminal.
func shown(text string) string { return escaped(text, utf8.RuneError) }

func durationOf(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

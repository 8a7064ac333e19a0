package main

import (
	"fmt"
	"time"

	"fluxworker/cmd/fluxworker/terminal"
	"fluxworker/worker/record"
)

// The smallest and the largest bar, in columns of the terminal.
const (
	shortBar = 8
	longBar  = 40
)

// progressColumns returns the parts of the bar of a run. In a narrow window the parts with the lowest ranks stay.
func progressColumns(p record.Progress, now time.Time) []terminal.Column {
	failed := terminal.Cell{Text: fmt.Sprintf("%d failed", p.Failed)}
	failedRank := 7
	if p.Failed > 0 {
		failed.Colour, failedRank = terminal.Red, 3
	}
	left := terminal.Cell{Text: "starting"}
	if p.Elapsed > 0 {
		late, known := p.Late(now)
		left = timeLeft(p.Left(), late, known)
	}
	columns := []terminal.Column{
		{Rank: 8, CutTo: shortBar, Bar: longBar},
		{Rank: 5, Cells: []terminal.Cell{{}}},
		{Rank: 1, WideRank: 6, Cells: []terminal.Cell{{Text: fmt.Sprintf("%d rows", p.Done()), Short: fmt.Sprint(p.Done())}}},
		{Rank: failedRank, Cells: []terminal.Cell{failed}},
		{Rank: 6, Cells: []terminal.Cell{{Text: fmt.Sprintf("%.1f rows/s", p.RowsPerSecond())}}},
		{Rank: 9, Cells: []terminal.Cell{{Text: fmt.Sprintf("%.0f tok/s", p.TokensPerSecond())}}},
		{Rank: 2, WideRank: 4, Cells: []terminal.Cell{left}},
	}
	if p.Total == 0 {
		return columns[2:]
	}
	part := float64(p.Done()) / float64(p.Total)
	columns[0].Cells = []terminal.Cell{{Part: part}}
	columns[1].Cells[0].Text = percent(part)
	of := fmt.Sprintf("%d/%d", p.Done(), p.Total)
	columns[2].Cells[0] = terminal.Cell{Text: of + " rows", Short: of}
	return columns
}

// percent formats a part of 1. Only a part of 1 is 100%. The small number is for products that are rounded down, as 0.29 * 100 is.
func percent(part float64) string { return fmt.Sprintf("%d%%", int(min(part, 1)*100+1e-12)) }

// timeLeft returns the time left (0 is unknown), and where the end of the job is known, whether that time is enough. late is
// the time between the end of the job and the end of the rows.
func timeLeft(left, late time.Duration, known bool) terminal.Cell {
	text := roughly(left) + " left"
	switch {
	case left <= 0:
		return terminal.Cell{}
	case !known:
		return terminal.Cell{Text: text}
	case late > 0:
		return terminal.Cell{
			Text:   fmt.Sprintf("%s, %s more than the job has", text, roughly(late)),
			Short:  fmt.Sprintf("%s, %s late", text, roughly(late)),
			Colour: terminal.Yellow,
		}
	}
	return terminal.Cell{Text: fmt.Sprintf("%s, %s to spare", text, roughly(-late)), Short: text}
}

// roughly formats a duration for people, with its two largest units; minutes have no seconds.
func roughly(d time.Duration) string {
	d = d.Round(time.Second)
	day, hour := 24*time.Hour, time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/hour)
	case d >= hour:
		return fmt.Sprintf("%dh%dm", d/hour, d%hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

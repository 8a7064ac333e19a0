package main

import (
	"fmt"
	"math"
	"strings"
)

// line is one line of the table.
type line struct {
	id     string
	what   string
	values sample // one for each repetition
	unit   string // empty for a ratio
	goal   goal
	seen   string // the amounts behind a ratio
	limit  string // what keeps the figure from being better
}

// goal is the limit that a figure has to keep; the zero value sets no limit.
type goal struct {
	relation relation
	value    float64
}

type relation string

// The relations of a figure to its goal.
const (
	atLeast relation = "≥"
	atMost  relation = "≤"
)

// met reports whether a value keeps the goal.
func (g goal) met(value float64) bool {
	switch g.relation {
	case atLeast:
		return value >= g.value
	case atMost:
		return value <= g.value
	}
	return true
}

func (l line) String() string {
	return fmt.Sprintf("%s: %s: %s (%s), %s", l.id, l.what, l.median(), l.spread(), l.seen)
}

func (l line) median() string { return strings.TrimSpace(number(l.values.median()) + " " + l.unit) }

func (l line) spread() string {
	least, most := l.values.spread()
	return number(least) + "–" + number(most)
}

func (l line) verdict() string {
	switch {
	case l.goal.relation == "":
		return ""
	case l.goal.met(l.values.median()):
		return string(l.goal.relation) + " " + number(l.goal.value) + ", met"
	default:
		return string(l.goal.relation) + " " + number(l.goal.value) + ", **missed**"
	}
}

// number prints four digits that count, and no more.
func number(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return "–"
	case size >= 1000 || v == math.Trunc(v):
		return fmt.Sprintf("%.0f", v)
	case size >= 100:
		return fmt.Sprintf("%.1f", v)
	case size >= 10:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

// table is Markdown's when it is printed.
type table []line

func (t table) String() string {
	var b strings.Builder
	b.WriteString("| | figure | median | spread | n | goal | behind it | what limits it |\n|---|---|---|---|---|---|---|---|\n")
	for _, l := range t {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %s | %s | %s |\n", l.id, l.what, l.median(), l.spread(), len(l.values), l.verdict(), l.seen, l.limit)
	}
	return b.String()
}

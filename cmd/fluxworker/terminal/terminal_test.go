package terminal

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"fluxworker/test/pty"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// example is a table with each kind of column.
func example() []Column {
	return []Column{
		{Rank: 1, Cells: []Cell{{Text: "SHARD"}, {Text: "0001"}, {Text: "0002"}}},
		{Rank: 4, CutTo: 8, Bar: 20, Cells: []Cell{{Text: "PROGRESS"}, {Part: 0.5}, {Part: 1}}},
		{Rank: 2, Right: true, Cells: []Cell{{Text: "ROWS"}, {Text: "7"}, {Text: "12345"}}},
		{Rank: 3, Cells: []Cell{{Text: "LEFT"}, {Text: "12m left, 3m to spare", Short: "12m left"}, {Text: ""}}},
		{Rank: 5, CutTo: 6, Cells: []Cell{{Text: "RUN"}, {Text: "job 12 on node7"}, {Text: "日本語日本語日本語"}}},
	}
}

// The columns with the lowest ranks stay, and no line is longer than the window.
func TestColumnsFitTheWindow(t *testing.T) {
	for _, tt := range []struct {
		width int
		want  string
	}{
		{0, "\n\n"},
		{4, "SHA…\n0001\n0002"},
		{12, "SHARD   ROWS\n0001       7\n0002   12345"},
		{22, "SHARD   ROWS  LEFT\n0001       7  12m left\n0002   12345"},
		{32, "SHARD  PROGRESS   ROWS  LEFT\n0001   ████░░░░      7  12m left\n0002   ████████  12345"},
		{40, "SHARD  PROGRESS   ROWS  LEFT      RUN\n0001   ████░░░░      7  12m left  job 1…\n0002   ████████  12345            日本…"},
		{80, "SHARD  PROGRESS               ROWS  LEFT                   RUN\n" +
			"0001   ██████████░░░░░░░░░░      7  12m left, 3m to spare  job 12 on node7\n" +
			"0002   ████████████████████  12345                         日本語日本語日本語"},
	} {
		if got := strings.Join(Lines(example(), tt.width, false), "\n"); got != tt.want {
			t.Errorf("in %d columns:\n%s\nwant\n%s", tt.width, got, tt.want)
		}
	}
	for width := range 200 {
		for _, line := range Lines(example(), width, false) {
			if Width(line) > width {
				t.Errorf("in %d columns, %q has %d", width, line, Width(line))
			}
		}
	}
}

// Lines of the log come while the bar is drawn, and stand whole above it.
func TestLineStaysBelowTheLog(t *testing.T) {
	p := pty.Open(t, 30, 8)
	l := NewLine(p.File())
	var all sync.WaitGroup
	all.Go(func() {
		for i := range 200 {
			l.Show([]Column{{Cells: []Cell{{Text: strings.Repeat("#", i%29)}}}})
		}
	})
	all.Go(func() {
		for i := range 200 {
			if _, err := fmt.Fprintf(l, "line %d\n", i); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	l.Show([]Column{{Cells: []Cell{{Text: "the progress", Colour: Red}}}})
	v := p.Await("the last progress", func(v pty.View) bool { return v.Has("the progress") })
	if got := strings.Join(v.Lines[5:], "|"); got != "line 198|line 199|the progress" || v.Longest > 30 {
		t.Errorf("got %d columns, and\n%s", v.Longest, v.Text())
	}
	l.Clear()
	v = p.Await("the end of the progress", func(v pty.View) bool { return v.Lines[7] == "" })
	if !v.Clean() {
		t.Errorf("the terminal is left as %+v", v)
	}
}

// A line that becomes shorter leaves nothing of the longer line, also after the window has become narrower.
func TestLineReplacesItself(t *testing.T) {
	p := pty.Open(t, 60, 3)
	l := NewLine(p.File())
	show := func(text string) { l.Show([]Column{{CutTo: 5, Cells: []Cell{{Text: text}}}}) }
	show(strings.Repeat("long ", 10))
	show("short")
	p.Await("a short line", func(v pty.View) bool { return v.Text() == "short\n\n" })
	show(strings.Repeat("wide ", 20))
	p.Await("a line of the window", func(v pty.View) bool { return strings.HasSuffix(v.Lines[0], "wid…") && v.Longest == 59 })
	p.Resize(20, 3)
	show(strings.Repeat("word ", 20))
	p.Await("a line of the narrow window", func(v pty.View) bool {
		return strings.HasPrefix(v.Lines[0], "word word word wor…") && v.Longest == 19
	})
}

// NO_COLOR and TERM=dumb leave out the colours; a dumb terminal cannot redraw more than its last line.
func TestColours(t *testing.T) {
	p := pty.Open(t, 60, 3)
	for _, tt := range []struct {
		term, noColor    string
		colours, redraws bool
	}{{"xterm", "", true, true}, {"xterm", "1", false, true}, {"dumb", "", false, false}} {
		t.Setenv("TERM", tt.term)
		t.Setenv("NO_COLOR", tt.noColor)
		if got := ColoursOf(p.File()); bool(got) != tt.colours || Redraws(p.File()) != tt.redraws {
			t.Errorf("TERM=%s NO_COLOR=%s: colours %t, redraws %t", tt.term, tt.noColor, got, Redraws(p.File()))
		}
	}
}

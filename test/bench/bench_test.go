package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fluxworker/test/build"
	"fluxworker/test/slowfs"
	"fluxworker/worker/prompt"
)

func TestMain(m *testing.M) {
	if other, err := asOther(); other {
		exit(err)
	}
	os.Exit(m.Run())
}

// Every figure can be measured: at a size that says nothing about speed, but finds what does not work any more.
func TestEveryFigure(t *testing.T) {
	program := build.Fluxworker(t)
	t.Chdir("../..") // as make bench runs it
	for _, f := range figures() {
		t.Run(f.id, func(t *testing.T) {
			if strings.Contains("cijkl", f.id) {
				needEngines(t)
			}
			if f.id == "l" {
				slowfs.Need(t)
			}
			b, err := prepare(options{size: smoke, fluxworker: program, scratch: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			lines, err := f.measure(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			if len(lines) == 0 {
				t.Error("the figure has no line")
			}
			for _, l := range lines {
				value := l.values.median()
				if l.id != f.id || l.what == "" || l.seen == "" || l.limit == "" || math.IsNaN(value) || math.IsInf(value, 0) {
					t.Errorf("%+v is not a whole line of figure %s", l, f.id)
				}
			}
			b.close()
			if _, err := os.Stat(b.scratch); !os.IsNotExist(err) {
				t.Errorf("the scratch folder is still there (%v)", err)
			}
		})
	}
}

func needEngines(t *testing.T) {
	for _, g := range []string{"o", "n"} {
		if _, err := os.Stat(filepath.Join(engineFolder(), g, "bin", "ollama")); err != nil {
			build.Missing(t, "no real engine: %v; run make engine", err)
		}
	}
}

// What was asked for and cannot be measured is an error, and the others' lines are there all the same.
func TestRunGoesOnAfterAFailure(t *testing.T) {
	out := filepath.Join(t.TempDir(), "table.md")
	err := run(t.Context(), []string{"-smoke", "-only", "a,b", "-fluxworker", "/bin/false", "-scratch", t.TempDir(), "-out", out})
	if err == nil || !strings.Contains(err.Error(), "figure a") || !strings.Contains(err.Error(), "figure b") {
		t.Errorf("error %v, want one that names both figures", err)
	}
	text, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(text), "| CPU | ") || !strings.Contains(string(text), "| kernel | ") {
		t.Errorf("the report lacks the machine (%v):\n%s", err, text)
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		args []string
		ok   bool
		size size
		only string
	}{
		{nil, true, short, "abcdefghijklmn"},
		{[]string{"-full", "-only", "a,c"}, true, full, "ac"},
		{[]string{"-smoke"}, true, smoke, "abcdefghijklmn"},
		{[]string{"-smoke", "-full"}, false, 0, ""},
		{[]string{"-only", "z"}, false, 0, ""},
		{[]string{"a"}, false, 0, ""},
	} {
		o, err := parse(tt.args)
		if (err == nil) != tt.ok {
			t.Errorf("%v: error %v", tt.args, err)
		}
		if !tt.ok {
			continue
		}
		var wanted string
		for _, f := range figures() {
			if o.wants(f.id) {
				wanted += f.id
			}
		}
		if o.size != tt.size || wanted != tt.only {
			t.Errorf("%v: size %d and figures %s, want %d and %s", tt.args, o.size, wanted, tt.size, tt.only)
		}
	}
}

func TestMedianAndSpread(t *testing.T) {
	for _, tt := range []struct {
		values              sample
		median, least, most float64
	}{
		{sample{3}, 3, 3, 3},
		{sample{9, 1}, 5, 1, 9},
		{sample{9, 1, 2}, 2, 1, 9},
		{sample{4, 1, 3, 2}, 2.5, 1, 4},
	} {
		before := slices.Clone(tt.values)
		least, most := tt.values.spread()
		if m := tt.values.median(); m != tt.median || least != tt.least || most != tt.most {
			t.Errorf("%v: median %g, from %g to %g, want %g, %g, %g", tt.values, m, least, most, tt.median, tt.least, tt.most)
		}
		if !slices.Equal(before, tt.values) {
			t.Errorf("%v became %v", before, tt.values)
		}
	}
	if least, most := (sample{}).spread(); !math.IsNaN(sample(nil).median()) || !math.IsNaN(least) || !math.IsNaN(most) {
		t.Error("nothing has a median or a spread")
	}
	if got := ratios(sample{6, 5, 4}, sample{3, 10}); !slices.Equal(got, sample{2, 0.5}) {
		t.Errorf("ratios %v, want 2 and 0.5", got)
	}
}

func TestTable(t *testing.T) {
	got := table{
		{id: "a", what: "rows", values: sample{0.5, 0.9, 0.86}, goal: goal{atLeast, 0.85}, seen: "1 against 2", limit: "CPU"},
		{id: "b", what: "idle", values: sample{1.25}, unit: "%", goal: goal{atMost, 1}, seen: "x", limit: "y"},
		{id: "c", what: "amount", values: sample{12345.6}, unit: "MB/s", seen: "x", limit: "y"},
	}.String()
	want := `| | figure | median | spread | n | goal | behind it | what limits it |
|---|---|---|---|---|---|---|---|
| a | rows | 0.860 | 0.500–0.900 | 3 | ≥ 0.850, met | 1 against 2 | CPU |
| b | idle | 1.250 % | 1.250–1.250 | 1 | ≤ 1, **missed** | x | y |
| c | amount | 12346 MB/s | 12346–12346 | 1 |  | x | y |
`
	if got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

// The sides of a ratio take turns, and nothing is measured after a failure.
func TestRepeatTakesTurns(t *testing.T) {
	var order string
	side := func(name string, failsIn int) func(context.Context, int) error {
		return func(_ context.Context, turn int) error {
			order += name
			if turn == failsIn {
				return fmt.Errorf("turn %d fails", turn)
			}
			return nil
		}
	}
	if err := repeat(t.Context(), 2, side("A", -1), side("B", -1)); err != nil || order != "ABAB" {
		t.Errorf("order %s (%v), want ABAB", order, err)
	}
	order = ""
	if err := repeat(t.Context(), 3, side("A", -1), side("B", 1)); err == nil || order != "ABAB" {
		t.Errorf("order %s (%v), want an error after ABAB", order, err)
	}
}

func TestCutLine(t *testing.T) {
	if _, err := cutLine([]byte(`{"id":"x"}`), "00ff", "request-1"); err == nil {
		t.Error("a line without key and name was accepted")
	}
	l, err := cutLine([]byte(`{"id":"k_00ff","custom_id":"request-1","r":{"id":"r_00ff"}}`), "00ff", "request-1")
	if err != nil {
		t.Fatal(err)
	}
	const key = "ab000000000000000000000000000000"
	got := string(l.add(nil, prompt.Row{CustomID: "request-7", Key: prompt.Key{0xab}}))
	if want := `{"id":"k_` + key + `","custom_id":"request-7","r":{"id":"r_` + key + `"}}`; got != want {
		t.Errorf("line %s, want %s", got, want)
	}
}

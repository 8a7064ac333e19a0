package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fluxworker/cmd/fluxworker/terminal"
	"fluxworker/test/pty"
	"fluxworker/worker/record"
)

// The most important parts stay in a narrow window.
func TestBarInWindows(t *testing.T) {
	now := time.Now()
	p := record.Progress{OK: 5390, Failed: 10, TokensOut: 140000, Elapsed: time.Minute, Total: 12000, Ends: now.Add(4 * time.Minute)}
	late := p
	late.Ends = now.Add(time.Minute)
	few := record.Progress{OK: 3, Elapsed: time.Second} // of a pipe
	for _, tt := range []struct {
		p     record.Progress
		width int
		want  string
	}{
		{p, 39, "45%  5400/12000  10 failed  1m left"},
		{p, 79, "████░░░░░░░  45%  5400/12000 rows  10 failed  89.8 rows/s  1m left, 2m to spare"},
		{late, 30, "5400/12000  1m left, 13s late"},
		{late, 39, "45%  5400/12000 rows  1m left, 13s late"},
		{late, 199, "██████████████████░░░░░░░░░░░░░░░░░░░░░░  45%  5400/12000 rows  10 failed  89.8 rows/s  2333 tok/s  1m left, 13s more than the job has"},
		{few, 79, "3 rows  0 failed  3.0 rows/s  0 tok/s"},
		{record.Progress{Skipped: 2, Total: 4}, 79, "███████████░░░░░░░░░░░░  50%  2/4 rows  0 failed  0.0 rows/s  0 tok/s  starting"},
	} {
		if got := terminal.Lines(progressColumns(tt.p, now), tt.width, false)[0]; got != tt.want {
			t.Errorf("in %d columns:\n%s\nwant\n%s", tt.width, got, tt.want)
		}
	}
}

// A percentage is that of the rows: 29 of 100 rows are 29 %, although 0.29 * 100 is less than 29.
func TestPercent(t *testing.T) {
	for done := range int64(100) {
		if got, want := percent(float64(done)/100), fmt.Sprintf("%d%%", done); got != want {
			t.Errorf("%d of 100 rows: %s", done, got)
		}
	}
	if got := percent(float64(999_999_999) / 1_000_000_000); got != "99%" {
		t.Errorf("all rows but one of 1,000,000,000: %s", got)
	}
}

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		400 * time.Millisecond: "0s", 59400 * time.Millisecond: "59s", time.Minute + 40*time.Second: "1m",
		3*time.Hour + 5*time.Minute: "3h5m", 50*time.Hour + time.Minute: "2d2h",
	} {
		if got := roughly(d); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
}

// onTerminal returns a command that writes colours to a terminal, unless the caller forbids them.
func onTerminal(dir string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command("fluxworker", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TERM=xterm-256color", "NO_COLOR=", "FLUXWORKER_DEVICE=cpu")
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// exitOf waits for the end of a program and returns its exit code.
func exitOf(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	if err := cmd.Wait(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// A run on a terminal has a bar that fits the window, follows its size and is gone in the end.
func TestBarOfARun(t *testing.T) {
	for _, tt := range []struct {
		columns int
		env     []string
		bar     string
		painted bool
	}{
		{40, nil, `(?m)^3/4  1 failed  \d+s left, (59m|1h0m) to spare$`, true},
		{80, nil, `(?m)^█{6,}░{2,}  75%  3/4 rows  1 failed  .* rows/s  .*\d+s left, (59m|1h0m) to spare$`, true},
		{200, nil, `(?m)^█{30}░{10}  75%  3/4 rows  1 failed  .* rows/s  \d+ tok/s  \d+s left, (59m|1h0m) to spare$`, true},
		{80, []string{"NO_COLOR=1"}, `(?m)^█{6,}░{2,}  75%  3/4 rows  1 failed  `, false},
	} {
		t.Run(fmt.Sprint(tt.columns, tt.env), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			pass := filepath.Join(dir, "pass")
			rows := `{"custom_id":"a","prompt":"x 3"}` + "\n" + `{"custom_id":"b","prompt":5}` + "\n" +
				`{"custom_id":"c","prompt":"x 3"}` + "\n" + `{"custom_id":"d","prompt":"x 3"}` + "\n"
			for path, text := range map[string]string{pass: "2", filepath.Join(dir, "in.jsonl"): rows} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := onTerminal(dir, append(tt.env, "FLUXWORKER_OLLAMA=fakeollama --pass "+pass), "run", "--model", "bigram", "--input", "in.jsonl",
				"--output", "results.jsonl", "--slots", "1", "--order", "input", "--log-level", "error",
				"--deadline", time.Now().Add(time.Hour).Format(time.RFC3339))
			p := pty.Open(t, tt.columns, 12)
			p.Start(cmd)
			bar := regexp.MustCompile(tt.bar)
			v := p.Await("the bar", func(v pty.View) bool { return bar.MatchString(v.Text()) })
			if v.Longest >= tt.columns || v.Painted != tt.painted {
				t.Errorf("%d columns are used, colours: %t\n%s", v.Longest, v.Painted, v.Text())
			}
			p.Resize(50, 12)
			v = p.Await("the bar of another window", func(v pty.View) bool { return v.Longest > 0 && v.Longest < 50 && v.Has("3/4", "1 failed") })
			if err := os.Remove(pass); err != nil {
				t.Fatal(err)
			}
			if code := exitOf(t, cmd); code != exitRowsFailed {
				t.Errorf("exit code %d", code)
			}
			v = p.Await("the summary", func(v pty.View) bool { return v.Has("errors  ") })
			if !v.Clean() || v.Has("/4") || !strings.HasPrefix(v.Text(), "rows    3 ok") {
				t.Errorf("the terminal is left as %+v", v)
			}
		})
	}
}

// A dumb terminal gets lines of the log without colours in place of a bar.
func TestRunOnADumbTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.jsonl"), []byte(`{"custom_id":"a","prompt":"x 3"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := onTerminal(dir, []string{"TERM=dumb", "FLUXWORKER_OLLAMA=fakeollama"}, "run", "--model", "bigram", "--input", "in.jsonl", "--output", "results.jsonl")
	p := pty.Open(t, 200, 50)
	p.Start(cmd)
	if code := exitOf(t, cmd); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	v := p.Await("the summary", func(v pty.View) bool { return v.Has("results results.jsonl") })
	if v.Painted || !v.Clean() || v.Has("1/1") || !v.Has("INF ") {
		t.Errorf("got %+v", v)
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"fluxworker/test/pty"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
	"fluxworker/worker/status"
)

// watched is an output that runs on another node seem to write.
type watched struct {
	t   *testing.T
	dir string
}

func (w watched) paths(index, count int) result.Paths {
	w.t.Helper()
	shard := result.Shard{Index: index, Count: count}
	if count == 0 {
		shard = result.Shard{}
	}
	paths, err := result.PathsOf(filepath.Join(w.dir, "results.jsonl"), shard)
	if err != nil {
		w.t.Fatal(err)
	}
	return paths
}

// attempt writes the record of a run of 100 rows on node7 and its answers, the first of which are there already.
func (w watched) attempt(paths result.Paths, outcome string, answers int) {
	w.t.Helper()
	line := `{"id":"batch_req_` + strings.Repeat("0", 32) + "\"}\n"
	a := record.Attempt{
		Number: 1, Host: "node7", PID: 5, Outcome: outcome, Rows: 100, Ends: time.Now().Add(time.Hour + 30*time.Second),
		Summary: record.Summary{Started: time.Now(), RowsPerSecond: 0.1},
	}
	err := errors.Join(os.MkdirAll(paths.Run, 0o700), a.Write(paths), os.WriteFile(paths.Results, []byte(strings.Repeat(line, answers)), 0o600))
	if err != nil {
		w.t.Fatal(err)
	}
}

// hold makes the run on node7 the holder, whose heartbeat is in the future: so a slow machine does not make the lock stale.
func (w watched) hold(paths result.Paths) {
	w.t.Helper()
	ahead := time.Now().Add(time.Hour)
	err := errors.Join(
		paths.WriteJSON("lock.000003", map[string]any{"host": "node7", "pid": 5, "job": "12_3", "nonce": "n", "beat": 4}),
		os.Chtimes(paths.In("lock.000003"), ahead, ahead),
	)
	if err != nil {
		w.t.Fatal(err)
	}
}

// finish ends a run with an answer to each row.
func (w watched) finish(paths result.Paths) {
	w.t.Helper()
	w.attempt(paths, record.Complete, 100)
	if err := os.RemoveAll(paths.In("lock.000003")); err != nil {
		w.t.Fatal(err)
	}
}

// four makes an output of four shards: finished, running, stopped and waiting.
func four(t *testing.T) watched {
	t.Helper()
	w := watched{t, t.TempDir()}
	w.finish(w.paths(0, 4))
	w.attempt(w.paths(1, 4), record.Running, 40)
	w.hold(w.paths(1, 4))
	w.attempt(w.paths(2, 4), "stopped by a signal before the end of the input\x1b[31m", 3)
	return w
}

// clock matches the part of a table that differs from test to test.
var clock = regexp.MustCompile(`\d\d:\d\d:\d\d`)

// The table fits the window, follows its size and the runs, and is plain text after its end.
func TestWatch(t *testing.T) {
	for _, tt := range []struct {
		columns, lines int
		want           string
	}{
		{40, 12, `
results.jsonl  CLOCK
SHARD  STATE             DONE  LEFT
0001   running         40/100  10m left
0002   stopped          3/100
0003   waiting         0/~100
0000   finished       100/100
total  1/4 finished  143/~400  42m left
q or Ctrl-C ends the view, not the runs`},
		{80, 7, `
results.jsonl  CLOCK
SHARD         STATE    PROGRESS            DONE  FAILED  LEFT
0001-of-0004  running  ███░░░░░░  40%    40/100       0  10m left, 50m to spare
0002-of-0004  stopped  ░░░░░░░░░   3%     3/100       0
total         1/4      ███░░░░░░  35%  143/~400       0  42m left
… and 2 more: 1 waiting, 1 finished
q or Ctrl-C ends the view, not the runs`},
		{200, 12, `
results.jsonl  CLOCK
SHARD         STATE         PROGRESS                                            DONE  FAILED  ROWS/S  LEFT                    RUN
0001-of-0004  running       ████████████████░░░░░░░░░░░░░░░░░░░░░░░░   40%    40/100       0     0.1  10m left, 50m to spare  job 12_3 on node7
0002-of-0004  stopped       █░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    3%     3/100       0       -                          stopped by a signal before the end of the input\x1b[31m
0003-of-0004  waiting       ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    0%    0/~100       0       -
0000-of-0004  finished      ████████████████████████████████████████  100%   100/100       0       -
total         1/4 finished  ██████████████░░░░░░░░░░░░░░░░░░░░░░░░░░   35%  143/~400       0     0.1  42m left
q or Ctrl-C ends the view, not the runs`},
	} {
		t.Run(fmt.Sprint(tt.columns), func(t *testing.T) {
			t.Parallel()
			w := four(t)
			p := pty.Open(t, tt.columns, tt.lines)
			cmd := onTerminal(w.dir, nil, "status", "--output", "results.jsonl", "--watch")
			p.Start(cmd)
			v := p.Await("the table", func(v pty.View) bool { return v.Second && v.Has("SHARD", "ends the view") })
			got := strings.TrimRight(clock.ReplaceAllString(v.Text(), "CLOCK"), "\n")
			if got != strings.TrimPrefix(tt.want, "\n") {
				t.Errorf("got\n%s\nwant%s", got, tt.want)
			}
			if v.Longest >= tt.columns || v.Cursor || !v.Painted || p.Echoes() {
				t.Errorf("%d columns are used, cursor: %t, colours: %t, echo: %t", v.Longest, v.Cursor, v.Painted, p.Echoes())
			}
			p.Resize(60, 20)
			v = p.Await("the table in another window", func(v pty.View) bool { return v.Longest > 0 && v.Has("0000-of-0004", "Ctrl-C") })
			if v.Longest >= 60 {
				t.Errorf("%d columns are used after the change of the window\n%s", v.Longest, v.Text())
			}
			w.attempt(w.paths(1, 4), record.Running, 60)
			p.Await("more rows", func(v pty.View) bool { return v.Has("60/100") })
			p.Type("q")
			if code := exitOf(t, cmd); code != exitStopped {
				t.Errorf("exit code %d", code)
			}
			v = p.Await("the last table", func(v pty.View) bool { return v.Clean() && v.Has("total ", "60/100") })
			if v.Has("Ctrl-C") || !p.Echoes() || !strings.HasPrefix(v.Text(), "results.jsonl ") {
				t.Errorf("the terminal is left as %+v", v)
			}
		})
	}
}

// The view ends when the last shard is finished, by keys and by signals. Each end leaves a clean terminal.
func TestEndsOfWatch(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(w watched, p *pty.Terminal, process *os.Process)
		code int
	}{
		{"finished", func(w watched, _ *pty.Terminal, _ *os.Process) { w.finish(w.paths(0, 0)) }, exitOK},
		{"Ctrl-C", func(_ watched, p *pty.Terminal, _ *os.Process) { p.Type("\x03") }, exitStopped},
		{"SIGTERM", func(_ watched, _ *pty.Terminal, process *os.Process) { process.Signal(syscall.SIGTERM) }, exitStopped},
		{"a closed terminal", func(_ watched, p *pty.Terminal, _ *os.Process) { p.Close() }, exitStopped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := watched{t, t.TempDir()}
			w.attempt(w.paths(0, 0), record.Running, 40)
			w.hold(w.paths(0, 0))
			p := pty.Open(t, 80, 12)
			cmd := onTerminal(w.dir, []string{"NO_COLOR=1"}, "status", "--output", "results.jsonl", "--watch")
			p.Start(cmd)
			p.Await("the table", func(v pty.View) bool { return v.Has("(all)", "40/100") && !p.Echoes() })
			tt.end(w, p, cmd.Process)
			if code := exitOf(t, cmd); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if tt.name == "a closed terminal" {
				return
			}
			v := p.Await("the last table", func(v pty.View) bool { return v.Clean() && v.Has("(all)") })
			if v.Painted || !p.Echoes() || (tt.code == exitOK) != v.Has("finished", "100/100") {
				t.Errorf("the terminal is left as %+v", v)
			}
		})
	}
}

// A pipe and a dumb terminal get lines.
func TestWatchWithoutAScreen(t *testing.T) {
	t.Parallel()
	w := four(t)
	p := pty.Open(t, 160, 12)
	cmd := onTerminal(w.dir, []string{"TERM=dumb"}, "status", "--output", "results.jsonl", "--watch")
	p.Start(cmd)
	const want = "1 running, 1 stopped, 1 waiting, 1 finished: 143 of ~400 rows, 0 failed, 0.1 rows/s, 42m left"
	p.Await("a line", func(v pty.View) bool { return strings.HasSuffix(v.Lines[0], want) && v.Clean() && !v.Painted })
	p.Type("\x03")
	if code := exitOf(t, cmd); code != exitStopped {
		t.Errorf("exit code %d", code)
	}

	p = pty.Open(t, 160, 12)
	cmd = onTerminal(w.dir, nil, "status", "--output", "results.jsonl", "--watch")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Start(cmd)
	line := make([]byte, 500)
	n, err := out.Read(line)
	if err != nil || !strings.HasSuffix(string(line[:n]), want+"\n") || strings.Contains(string(line[:n]), "\x1b") {
		t.Errorf("got %q, %v", line[:n], err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if code := exitOf(t, cmd); code != exitStopped {
		t.Errorf("exit code %d", code)
	}
}

// Each change gives a line; the same status again gives no line.
func TestLinesOfWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(ok int64, state status.State) status.Status {
			r := status.RowStatus{OK: ok, Rows: 100}
			return status.Status{Complete: state == status.Finished, Shards: []status.ShardStatus{{State: state, RowStatus: r}}, Total: r}
		}
		later := []any{at(10, status.Running), errors.New("stale file\x1b"), at(30, status.Running), at(30, status.Running), at(100, status.Finished)}
		read := func(context.Context) (status.Status, error) {
			next := later[0]
			later = later[1:]
			if err, failed := next.(error); failed {
				return status.Status{}, err
			}
			return next.(status.Status), nil
		}
		var out bytes.Buffer
		started := time.Now()
		if err := watchLines(t.Context(), &out, look{Status: at(10, status.Running)}, read); err != nil {
			t.Error(err)
		}
		line := func(seconds int, text string) string {
			return started.Add(time.Duration(seconds)*time.Second).Format(time.DateTime) + " " + text + "\n"
		}
		want := line(0, "running: 10 of 100 rows, 0 failed") + line(20, `the status cannot be read, and is read again: stale file\x1b`) +
			line(30, "running: 30 of 100 rows, 0 failed") + line(50, "finished: 100 of 100 rows, 0 failed")
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", &out, want)
		}
	})
}

// A table and a line say that a job has too little time. A table names the holder, and the use of the GPUs.
func TestTableOfWatch(t *testing.T) {
	now := time.Now()
	r := status.RowStatus{OK: 10, Rows: 100, RowsPerSecond: 1, SecondsLeft: 90}
	s := status.Status{Output: "out\n.jsonl", Shards: []status.ShardStatus{{State: status.Running, RowStatus: r, Ends: now.Add(time.Minute)}}, Total: r}
	if got := statusLine(s, now); got != "running: 10 of 100 rows, 0 failed, 1.0 rows/s, 1m left, jobs that end before their rows: 1" {
		t.Error(got)
	}
	gone := status.ShardStatus{State: status.Killed, Holder: &status.Holder{Host: "node7", Job: "12", HeartbeatAge: 61}}
	if got := runOf(gone); got != "last seen 1m1s ago: job 12 on node7" {
		t.Error(got)
	}
	use := 93.4
	s.Shards[0].GPUUse = &use
	frame := look{Status: s, at: now}.frame(160, 3, false, "")
	if len(frame) != 3 || !strings.HasPrefix(frame[0], `out\n.jsonl  `) || !strings.Contains(frame[2], "1m left, 30s more than the job has  93%") {
		t.Errorf("got %q", frame)
	}
	if low := (look{Status: s, at: now}).frame(160, 1, false, "a notice"); len(low) != 1 {
		t.Errorf("a window of one line gets %q", low)
	}
}

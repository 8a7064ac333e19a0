package result

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fluxworker/worker/prompt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// row makes a row whose key has the given halves.
func row(name, request byte) prompt.Row {
	var k prompt.Key
	k[0], k[8] = name, request
	return prompt.Row{CustomID: fmt.Sprintf("r%d", name), Key: k}
}

func answered(text string) *Response {
	return &Response{StatusCode: 200, RequestID: "req_1", Body: map[string]string{"text": text}}
}

func paths(t *testing.T) Paths {
	t.Helper()
	p, err := PathsOf(filepath.Join(t.TempDir(), "out", "results.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t *testing.T, p Paths) (*Log, *Done) {
	t.Helper()
	l, d, err := Open(t.Context(), p, time.Hour) // no test waits for the tick: Close syncs
	if err != nil {
		t.Fatal(err)
	}
	return l, d
}

func closeLog(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLogSortsLinesAndRemembersRows(t *testing.T) {
	p := paths(t)
	l, d := open(t, p)
	if d.State(row(1, 1).Key) != New {
		t.Error("a row of an empty log is not new")
	}
	for _, err := range []error{
		l.Append(row(1, 1), answered("a<b>&c"), nil),
		l.Append(row(2, 2), &Response{StatusCode: 400, Body: "bad"}, nil),
		l.Append(row(3, 3), nil, &Failure{Code: "invalid_json_line", Message: "no", Line: 7}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, l)

	results, _ := os.ReadFile(p.Results)
	want := `{"id":"batch_req_01000000000000000100000000000000","custom_id":"r1","response":{"status_code":200,"request_id":"req_1","body":{"text":"a<b>&c"}},"error":null}` + "\n"
	if string(results) != want {
		t.Errorf("results:\n%s\nwant\n%s", results, want)
	}
	failed, _ := os.ReadFile(p.Errors)
	if n := bytes.Count(failed, []byte("\n")); n != 2 || !bytes.Contains(failed, []byte(`"response":null,"error":{"code":"invalid_json_line","message":"no","line":7}}`)) {
		t.Errorf("errors:\n%s", failed)
	}

	l, d = open(t, p)
	defer closeLog(t, l)
	for _, tt := range []struct {
		key  prompt.Key
		want State
	}{
		{row(1, 1).Key, Answered}, {row(2, 2).Key, Failed}, {row(3, 3).Key, Failed},
		{row(1, 9).Key, Changed}, {row(4, 4).Key, New},
	} {
		if got := d.State(tt.key); got != tt.want {
			t.Errorf("state of %s is %d, want %d", tt.key, got, tt.want)
		}
	}
}

func TestAppendFromManyGoroutines(t *testing.T) {
	const goroutines, each = 16, 200
	p := paths(t)
	l, _ := open(t, p)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				r := prompt.Row{CustomID: fmt.Sprintf("%d-%d", g, i)}
				r.Key[0], r.Key[1], r.Key[2] = byte(g), byte(i), byte(i>>8)
				if err := l.Append(r, answered(strings.Repeat("x", i)), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	closeLog(t, l)
	data, _ := os.ReadFile(p.Results)
	seen := make(map[string]bool)
	for line := range bytes.Lines(data) {
		var got Line
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("torn line %q: %v", line, err)
		}
		seen[got.CustomID] = true
	}
	if len(seen) != goroutines*each {
		t.Errorf("%d different rows on disk, want %d", len(seen), goroutines*each)
	}
}

func TestOpenRepairsOnlyTheTail(t *testing.T) {
	const id = `{"id":"batch_req_01000000000000000100000000000000","custom_id":"a","response":null,"error":null}` + "\n"
	tests := []struct {
		name    string
		content string
		keep    int // bytes left after Open
		lines   int64
		corrupt int64 // line of the CorruptError, 0 for none
	}{
		{"empty", "", 0, 0, 0},
		{"whole", id, len(id), 1, 0},
		{"torn tail", id + id[:40], len(id), 1, 0},
		{"whole line without newline", id + id[:len(id)-1], len(id), 1, 0},
		{"only a torn line", id[:40], 0, 0, 0},
		{"somebody's text without a line end", "my precious notes", 0, 0, 1},
		{"zero block at the end", id + strings.Repeat("\x00", 512), len(id), 1, 0},
		{"long line", strings.Replace(id, `"a"`, `"`+strings.Repeat("a", 3<<20)+`"`, 1), len(id) + 3<<20 - 1, 1, 0},
		{"garbage in the middle", id + "garbage\n" + id, 0, 0, 2},
		{"foreign line", `{"hello":1}` + "\n", 0, 0, 1},
		{"id of another shape", strings.Replace(id, "batch_req_01", "batch_req_zz", 1), 0, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := paths(t)
			if err := os.MkdirAll(filepath.Dir(p.Results), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p.Results, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			l, d, err := Open(t.Context(), p, time.Hour)
			var corrupt *CorruptError
			if tt.corrupt > 0 {
				if !errors.As(err, &corrupt) || corrupt.Line != tt.corrupt {
					t.Fatalf("got %v, want a CorruptError of line %d", err, tt.corrupt)
				}
				if got, _ := os.ReadFile(p.Results); string(got) != tt.content {
					t.Error("a file that cannot be repaired was changed")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if n := int64(len(d.requests)); n != min(tt.lines, 1) { // the lines of a case are the same row's
				t.Errorf("%d rows, want %d", n, min(tt.lines, 1))
			}
			// What follows goes behind the last whole line.
			if err := l.Append(row(9, 9), answered("z"), nil); err != nil {
				t.Fatal(err)
			}
			closeLog(t, l)
			got, _ := os.ReadFile(p.Results)
			if len(got) < tt.keep || string(got[:tt.keep]) != tt.content[:tt.keep] || !bytes.HasPrefix(got[tt.keep:], []byte(`{"id":"batch_req_09`)) {
				t.Errorf("file after the repair:\n%.300s", got)
			}
		})
	}
}

func TestOpenRefusesAHeldOutput(t *testing.T) {
	p := paths(t)
	l, _ := open(t, p)
	if _, _, err := Open(t.Context(), p, time.Hour); !errors.Is(err, ErrHeld) {
		t.Errorf("second open: %v, want ErrHeld", err)
	}
	alias := p.Results + "-alias.jsonl"
	if err := os.Symlink(p.Results, alias); err != nil {
		t.Fatal(err)
	}
	other, err := PathsOf(alias)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(t.Context(), other, time.Hour); !errors.Is(err, ErrHeld) {
		t.Errorf("open by another name: %v, want ErrHeld", err)
	}
	if !p.Contain(alias) || p.Contain(p.Run) {
		t.Error("Contain does not know the file by its other name")
	}
	closeLog(t, l)
	l, _ = open(t, p)
	closeLog(t, l)
}

func TestOpenCanBeGivenUp(t *testing.T) {
	p := paths(t)
	l, _ := open(t, p)
	closeLog(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Open(ctx, p, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// A file that can be opened but not written stands for a full disk: reads go through, every write fails.
func TestAppendAfterAFailedWrite(t *testing.T) {
	p := paths(t)
	l, _ := open(t, p)
	readOnly, err := os.Open(p.Results)
	if err != nil {
		t.Fatal(err)
	}
	l.results.Close()
	l.results = readOnly
	if err := l.Append(row(1, 1), answered("a"), nil); err != nil {
		t.Fatal(err) // queued: the writer has not seen it
	}
	<-l.Failed()
	var failed *WriteError
	if !errors.As(l.Err(), &failed) || failed.Path != p.Results {
		t.Errorf("got %v, want a WriteError of %s", l.Err(), p.Results)
	}
	if err := l.Close(); !errors.As(err, &failed) {
		t.Errorf("close: %v, want the WriteError", err)
	}
}

func TestWriteErrorSaysWhatToDo(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ENOSPC: "the disk is full; free some space",
		syscall.EDQUOT: "your quota is used up; free some space",
		syscall.EACCES: "choose an --output in a folder that you may write to",
		syscall.EROFS:  "choose an --output in a folder that you may write to",
		syscall.EIO:    "input/output error",
	} {
		e := &WriteError{Path: "r.jsonl", Err: &os.PathError{Op: "write", Path: "r.jsonl", Err: err}}
		if !strings.Contains(e.Error(), want) || strings.Count(e.Error(), "r.jsonl") != 1 {
			t.Errorf("%v: %q does not say %q once", err, e, want)
		}
	}
}

func TestPathsOf(t *testing.T) {
	p, err := PathsOf("d/results.jsonl")
	if err != nil || p != (Paths{Results: "d/results.jsonl", Errors: "d/results-errors.jsonl", Run: "d/results.run"}) {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, output := range []string{"results.json", "results.jsonl.gz", "results.jsonl.zst", "r.run", "-", "--x", ".", "d/", ".jsonl", "/dev/null", t.TempDir()} {
		if _, err := PathsOf(output); err == nil {
			t.Errorf("%s was accepted", output)
		}
	}
}

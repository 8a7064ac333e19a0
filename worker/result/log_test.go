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

	"fluxworker/worker/lease"
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
	p, err := PathsOf(filepath.Join(t.TempDir(), "out", "results.jsonl"), Shard{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// options returns the options of a separate run. No test waits for a sync: Close syncs.
func options(p Paths) Options {
	return Options{Paths: p, Self: lease.Self("", 0), SyncEvery: time.Hour, Stale: time.Minute}
}

func open(t *testing.T, p Paths) (*Log, *Done) {
	t.Helper()
	l, err := Open(t.Context(), options(p))
	if err != nil {
		t.Fatal(err)
	}
	return l, l.Done()
}

func closeLog(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Release()
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
		{row(1, 9).Key, Changed}, {row(2, 9).Key, ChangedFailed}, {row(4, 4).Key, New},
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

func TestOpenCanBeGivenUp(t *testing.T) {
	p := paths(t)
	l, _ := open(t, p)
	closeLog(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, options(p)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// An editor that saves the results during a run replaces the file, and later lines would be lost.
func TestAReplacedFileIsNoticed(t *testing.T) {
	p := paths(t)
	l, _ := open(t, p)
	if err := os.Rename(p.Results, p.Results+"~"); err != nil {
		t.Fatal(err)
	}
	put(t, p.Results, "")
	if err := l.Append(row(1, 1), answered("x"), nil); err != nil {
		t.Fatal(err)
	}
	var failed *WriteError
	if err := l.Close(); !errors.As(err, &failed) || failed.Path != p.Results || !strings.Contains(err.Error(), "the file was removed or replaced") {
		t.Errorf("got %v, want a WriteError of %s", err, p.Results)
	}
	if n, _ := l.Durable(); n != 0 {
		t.Errorf("%d lines count as durable", n)
	}
	l.Release()
}

func TestWriteErrorSaysWhatToDo(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ENOSPC: "the disk is full; free some space",
		syscall.EDQUOT: "your quota is exhausted; free some space",
		syscall.EACCES: "choose an --output in a writable folder",
		syscall.EROFS:  "choose an --output in a writable folder",
		syscall.EIO:    "input/output error",
	} {
		e := &WriteError{Path: "r.jsonl", Err: &os.PathError{Op: "write", Path: "r.jsonl", Err: err}}
		if !strings.Contains(e.Error(), want) || strings.Count(e.Error(), "r.jsonl") != 1 {
			t.Errorf("%v: %q does not say %q once", err, e, want)
		}
	}
}

func TestPathsOf(t *testing.T) {
	p, err := PathsOf("d/results.jsonl", Shard{})
	if err != nil || p != (Paths{Results: "d/results.jsonl", Errors: "d/results-errors.jsonl", Run: "d/results.run"}) {
		t.Errorf("got %+v, %v", p, err)
	}
	link := filepath.Join(t.TempDir(), "link.jsonl")
	if err := os.Symlink("there.jsonl", link); err != nil { // which nobody has made yet
		t.Fatal(err)
	}
	if p, err := PathsOf(link, Shard{}); err != nil || p.Results != filepath.Join(filepath.Dir(link), "there.jsonl") {
		t.Errorf("a link: got %+v, %v; want the place that it leads to", p, err)
	}
	for _, document := range []string{"d/results.json", "d/results.csv"} {
		want := Paths{Results: "d/results.jsonl", Errors: "d/results-errors.jsonl", Run: "d/results.run", Document: document}
		if p, err := PathsOf(document, Shard{}); err != nil || p != want {
			t.Errorf("a document: got %+v, %v", p, err)
		}
	}
	want := Paths{Results: "d/results.0003-of-0016.jsonl", Errors: "d/results-errors.0003-of-0016.jsonl", Run: "d/results.run/0003-of-0016"}
	if p, err := PathsOf("d/results.jsonl", Shard{Index: 3, Count: 16}); err != nil || p != want {
		t.Errorf("a shard: got %+v, %v", p, err)
	}
	for _, output := range []string{".json", "results.jsonl.gz", "results.jsonl.zst", "r.run", "-", "--x", ".", "d/", ".jsonl", "/dev/null", t.TempDir()} {
		if _, err := PathsOf(output, Shard{}); err == nil {
			t.Errorf("%s was accepted", output)
		}
	}
}

// A file that cannot be looked at is not one that was replaced.
func TestCheckPathSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	f, err := realDisk{}.Open(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := (realDisk{}).CheckPath(path, f, 0); err != nil {
		t.Errorf("the file is there: %v", err)
	}
	if err := (realDisk{}).CheckPath(path+"/below", f, 0); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a path that cannot be followed: %v, want ENOTDIR", err)
	}
	if err := (realDisk{}).CheckPath(path, f, 1); !errors.Is(err, errResized) {
		t.Errorf("another size than expected: %v", err)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := (realDisk{}).CheckPath(path, f, 0); !errors.Is(err, errReplaced) {
		t.Errorf("the file is gone: %v", err)
	}
}

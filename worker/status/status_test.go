package status

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// shardOf returns the status of an output that is not split.
func shardOf(t *testing.T, output string) ShardStatus {
	t.Helper()
	s, err := Of(output)
	if err != nil {
		t.Fatal(err)
	}
	return s.Shards[0]
}

// A holder on another node counts as alive for as long as it renews its lock.
func TestStatusOfAHolderElsewhere(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "out.jsonl")
	paths, err := result.PathsOf(output, result.Shard{})
	if err != nil {
		t.Fatal(err)
	}
	if err := paths.WriteJSON("lock.000003", map[string]any{"host": "node7", "pid": 5, "job": "12_3", "nonce": "n", "beat": 4}); err != nil {
		t.Fatal(err)
	}
	ends := time.Now().Add(time.Minute).Truncate(time.Second)
	a := record.Attempt{Number: 1, Ends: ends, Host: "node7", PID: 5, Outcome: record.Running, Rows: 100, Estimated: true, Summary: record.Summary{RowsPerSecond: 2}}
	if err := a.Write(paths); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(output, []byte(strings.Repeat(`{"id":"batch_req_`+strings.Repeat("0", 32)+"\"}\n", 4)+"{"), 0o600); err != nil {
		t.Fatal(err)
	}
	ahead := time.Now().Add(time.Hour) // as by the clock of a file server; so a slow machine does not make the lock stale
	if err := os.Chtimes(paths.In("lock.000003"), ahead, ahead); err != nil {
		t.Fatal(err)
	}
	s := shardOf(t, output)
	if s.State != Running || s.OK != 4 || s.Rows != 100 || !s.Estimated || s.SecondsLeft != 48 || s.Holder.Job != "12_3" {
		t.Errorf("a living holder: %+v", s)
	}
	if late, known := s.Late(ends.Add(-50 * time.Second)); !known || late != -2*time.Second {
		t.Errorf("the rows end %s after the job (known: %t)", late, known)
	}
	if late, known := s.Late(ends); !known || late != 48*time.Second {
		t.Errorf("the rows end %s after the job (known: %t)", late, known)
	}
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(paths.In("lock.000003"), long, long); err != nil {
		t.Fatal(err)
	}
	s = shardOf(t, output)
	if s.State != Killed || s.RowsPerSecond != 0 || s.SecondsLeft != 0 || !s.Ends.IsZero() || s.Holder.Host != "node7" || s.Holder.HeartbeatAge < 3600 {
		t.Errorf("a silent holder: %+v", s)
	}
}

// A reader that reads again and again counts what was appended, cut and replaced since.
func TestReaderCountsOn(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "out.jsonl")
	line := `{"id":"batch_req_` + strings.Repeat("0", 32) + "\"}\n"
	r := NewReader(output)
	for _, step := range []struct {
		what    string
		change  func() error
		answers int64
	}{
		{"three lines and the beginning of a fourth", func() error { return os.WriteFile(output, []byte(strings.Repeat(line, 3)+line[:9]), 0o600) }, 3},
		{"the rest of the fourth, and a long fifth", func() error { return add(output, line[9:]+strings.Repeat(" ", 1<<20)+line) }, 5},
		{"the beginning of a sixth", func() error { return add(output, line[:5]) }, 5},
		{"the beginning is cut, and a line comes", func() error {
			info, err := os.Stat(output)
			if err != nil {
				return err
			}
			return errors.Join(os.Truncate(output, info.Size()-5), add(output, line))
		}, 6},
		{"nothing", func() error { return nil }, 6},
		{"another file in its place, with as many bytes and fewer lines", func() error {
			info, err := os.Stat(output)
			if err != nil {
				return err
			}
			text := line + strings.Repeat(" ", int(info.Size())-2*len(line)) + line
			return errors.Join(os.WriteFile(output+".new", []byte(text), 0o600), os.Rename(output+".new", output))
		}, 2},
		{"a shorter file", func() error { return os.Truncate(output, int64(len(line))) }, 1},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		s, err := r.Read(t.Context())
		if err != nil || s.Total.OK != step.answers {
			t.Errorf("after %s: %d answers, want %d; %v", step.what, s.Total.OK, step.answers, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Read(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a reader whose context has ended: %v", err)
	}
}

// add appends text to a file.
func add(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

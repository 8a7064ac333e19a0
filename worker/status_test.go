package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/merge"
	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
	"fluxworker/worker/slurm"
	"fluxworker/worker/status"
)

func statusOf(t *testing.T, output string) status.Status {
	t.Helper()
	s, err := status.Of(output)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// files are the names and contents of everything below a folder.
func files(t *testing.T, dir string) string {
	t.Helper()
	var all string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all += fmt.Sprintf("%s %d %x\n", path, len(data), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Shards are told while they run, when they were stopped and when they are done; to look changes nothing.
func TestStatusOfShards(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 100)
	c.Place.Shard = slurm.Choice{Shard: slurm.Shard{Index: 0, Count: 3}}
	if _, err := runOnce(t, t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	second, _ := config(t, 0, "--fault", "hang-all@4")
	second.Input, second.Output, second.Grace = c.Input, c.Output, 0
	second.Place.Shard = slurm.Choice{Shard: slurm.Shard{Index: 1, Count: 3}}
	counts, drain, ended := new(record.Counters), make(chan struct{}), make(chan error)
	go func() {
		_, err := Run(t.Context(), second, zerolog.Nop(), drain, counts)
		ended <- err
	}()
	<-until(t, answered(counts, 3))
	running := statusOf(t, c.Output)
	close(drain)
	if err := <-ended; !errors.Is(err, outcome.ErrStopped) {
		t.Fatalf("the second run: %v", err)
	}
	if one := running.Shards[1]; one.State != status.Running || one.Holder == nil || one.Holder.PID != os.Getpid() || one.LastOutcome != record.Running {
		t.Errorf("while it runs: %+v", one)
	}

	before := files(t, filepath.Dir(c.Output))
	s := statusOf(t, c.Output)
	if after := files(t, filepath.Dir(c.Output)); after != before {
		t.Error("looking has changed something")
	}
	if s.Complete || len(s.Shards) != 3 {
		t.Fatalf("got %+v", s)
	}
	want := []struct {
		state status.State
		rows  int64
	}{{status.Finished, 34}, {status.Stopped, 0}, {status.Waiting, 34}}
	for i, w := range want {
		one := s.Shards[i]
		if one.State != w.state || w.rows > 0 && one.Rows != w.rows {
			t.Errorf("shard %d is %+v, want %s and %d rows", i, one, w.state, w.rows)
		}
	}
	if one := s.Shards[0]; one.OK != 34 || one.Estimated || one.Holder != nil {
		t.Errorf("the finished shard: %+v", one)
	}
	if s.Total.OK != 34+s.Shards[1].OK || s.Shards[1].OK != 3 {
		t.Errorf("the total is %+v, the second shard %+v", s.Total, s.Shards[1])
	}
	for i := range 3 {
		c.Place.Shard.Shard.Index = i
		if _, err := runOnce(t, t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
	}
	s = statusOf(t, c.Output)
	if !s.Complete || s.Total.OK != 100 || s.Total.Rows != 100 || s.Total.Estimated {
		t.Errorf("in the end: %+v", s)
	}
	m, err := merge.Run(t.Context(), merge.Config{Input: c.Input, Output: c.Output, MaxRowBytes: c.MaxRowBytes})
	if err != nil || !m.Written || m.Answered != 100 || m.Doubles+m.Strays+m.Superseded != 0 {
		t.Errorf("merged: %+v, %v", m, err)
	}
	if again := statusOf(t, c.Output); len(again.Shards) != 3 || again.Total.OK != 100 {
		t.Errorf("the merged file counts as a shard: %+v", again)
	}
}

// A holder on another node is alive as long as its lock is renewed.
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
	a := record.Attempt{Number: 1, Host: "node7", PID: 5, Outcome: record.Running, Rows: 100, Estimated: true, Summary: record.Summary{RowsPerSecond: 2}}
	if err := a.Write(paths); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(output, []byte("{}\n{}\n{}\n{}\n{"), 0o600); err != nil {
		t.Fatal(err)
	}
	ahead := time.Now().Add(time.Hour) // as a file server's clock may be; and no slow machine makes it old
	if err := os.Chtimes(paths.In("lock.000003"), ahead, ahead); err != nil {
		t.Fatal(err)
	}
	one := statusOf(t, output).Shards[0]
	if one.State != status.Running || one.OK != 4 || one.Rows != 100 || !one.Estimated || one.SecondsLeft != 48 || one.Holder.Job != "12_3" {
		t.Errorf("a living holder: %+v", one)
	}
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(paths.In("lock.000003"), long, long); err != nil {
		t.Fatal(err)
	}
	one = statusOf(t, output).Shards[0]
	if one.State != status.Killed || one.RowsPerSecond != 0 || one.SecondsLeft != 0 || one.Holder.Host != "node7" || one.Holder.HeartbeatAge < 3600 {
		t.Errorf("a silent holder: %+v", one)
	}
}

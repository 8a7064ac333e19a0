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
	"fluxworker/worker/slurm"
	"fluxworker/worker/status"
)

// statusOf returns the status of an output.
func statusOf(t *testing.T, output string) status.Status {
	t.Helper()
	s, err := status.Of(output)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// files returns the names and contents of all files below a folder.
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

// The status of a shard is right while its run goes on, after a stop and at the end. Reading the status changes no file.
func TestStatusOfShards(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 100)
	c.Place.Shard = slurm.Choice{Index: 0, Count: 3}
	if _, err := runOnce(t, t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	second, _ := config(t, 0, "--fault", "hang-all@4")
	second.Input, second.Output, second.Grace = c.Input, c.Output, 0
	second.Place.Shard = slurm.Choice{Index: 1, Count: 3}
	second.Place.Limit = time.Now().Add(time.Hour)
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
	if s := running.Shards[1]; s.State != status.Running || s.Holder == nil || s.Holder.PID != os.Getpid() || s.LastOutcome != record.Running || !s.Ends.Equal(second.Place.Limit) {
		t.Errorf("while the run goes on: %+v", s)
	}

	before := files(t, filepath.Dir(c.Output))
	s := statusOf(t, c.Output)
	if after := files(t, filepath.Dir(c.Output)); after != before {
		t.Error("reading the status has changed a file")
	}
	if s.Complete || len(s.Shards) != 3 {
		t.Fatalf("got %+v", s)
	}
	want := []struct {
		state status.State
		rows  int64
	}{{status.Finished, 34}, {status.Stopped, 0}, {status.Waiting, 34}}
	for i, w := range want {
		shard := s.Shards[i]
		if shard.State != w.state || w.rows > 0 && shard.Rows != w.rows {
			t.Errorf("shard %d is %+v, want %s and %d rows", i, shard, w.state, w.rows)
		}
	}
	if first := s.Shards[0]; first.OK != 34 || first.Estimated || first.Holder != nil {
		t.Errorf("the finished shard: %+v", first)
	}
	if s.Total.OK != 34+s.Shards[1].OK || s.Shards[1].OK != 3 {
		t.Errorf("the total is %+v, the second shard %+v", s.Total, s.Shards[1])
	}
	for i := range 3 {
		c.Place.Shard.Index = i
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

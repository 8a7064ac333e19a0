package status

import (
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
	a := record.Attempt{Number: 1, Host: "node7", PID: 5, Outcome: record.Running, Rows: 100, Estimated: true, Summary: record.Summary{RowsPerSecond: 2}}
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
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(paths.In("lock.000003"), long, long); err != nil {
		t.Fatal(err)
	}
	s = shardOf(t, output)
	if s.State != Killed || s.RowsPerSecond != 0 || s.SecondsLeft != 0 || s.Holder.Host != "node7" || s.Holder.HeartbeatAge < 3600 {
		t.Errorf("a silent holder: %+v", s)
	}
}

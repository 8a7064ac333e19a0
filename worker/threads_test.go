package worker

import (
	"encoding/json"
	"testing"

	"fluxworker/worker/slurm"
)

// The load and every request have the same number of threads, so that the model is loaded once. A number in the model's own
// parameters stays.
func TestThreadsOfTheJob(t *testing.T) {
	if slurm.Cores(slurm.NodeCPUs) < 2 {
		t.Skip("this machine has one core, which is what an engine would take anyway")
	}
	for name, flags := range map[string][]string{"1": nil, "": {"--num-thread", "3"}} {
		c, recordFile := config(t, 20, flags...)
		c.Place.Job = slurm.Job{ID: 7, CPUsPerTask: 1}
		c.Place.NoLimit = true
		if s, err := runOnce(t, t.Context(), c, nil); err != nil || s.OK != 20 {
			t.Fatalf("summary %+v, %v", s, err)
		}
		r := readRecord(t, recordFile)
		if len(r.Options) != 1 || string(r.Options[0].Options["num_thread"]) != string(json.RawMessage(name)) || r.Loads != 1 {
			t.Errorf("flags %q: the server saw options %v and loaded %d times, want num_thread %q in all", flags, r.Options, r.Loads, name)
		}
	}
}

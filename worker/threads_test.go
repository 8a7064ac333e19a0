package worker

import (
	"encoding/json"
	"runtime"
	"testing"

	"fluxworker/worker/ollama"
	"fluxworker/worker/slurm"
)

func TestThreads(t *testing.T) {
	t.Parallel()
	all := runtime.NumCPU()
	one := slurm.Job{ID: 7, CPUsPerTask: 1}
	for _, tt := range []struct {
		name           string
		job            slurm.Job
		servers, cores int
		own            int
		want           int
	}{
		{"a whole node", slurm.Job{}, 1, all, 0, 0},
		{"a part of a node", one, 1, 64, 0, 1},
		{"what the mask leaves of a node", slurm.Job{}, 1, 10 * all, 0, all},
		{"several servers", slurm.Job{}, 2 * all, all + 1, 0, 1},
		{"an unknown node", one, 1, 0, 0, 1},
		{"a model that names its own", one, 1, 64, 12, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := threads(tt.job, tt.servers, tt.cores, ollama.Info{Threads: tt.own}); got != tt.want {
				t.Errorf("%d threads, want %d", got, tt.want)
			}
		})
	}
}

// The number goes with the load and with every request, so that the model is loaded once; one of the model's own is left
// alone.
func TestThreadsOfTheJob(t *testing.T) {
	if slurm.Cores(slurm.NodeCPUs) < 2 {
		t.Skip("this machine has one core, which is what an engine would take anyway")
	}
	for name, flags := range map[string][]string{"1": nil, "": {"--num-thread", "3"}} {
		c, record := config(t, 20, flags...)
		c.Place.Job = slurm.Job{ID: 7, CPUsPerTask: 1}
		c.Place.NoLimit = true
		if s, err := runOnce(t, t.Context(), c, nil); err != nil || s.OK != 20 {
			t.Fatalf("summary %+v, %v", s, err)
		}
		r := readRecord(t, record)
		if len(r.Options) != 1 || string(r.Options[0].Options["num_thread"]) != string(json.RawMessage(name)) || r.Loads != 1 {
			t.Errorf("flags %q: the server saw options %v and loaded %d times, want num_thread %q in all", flags, r.Options, r.Loads, name)
		}
	}
}

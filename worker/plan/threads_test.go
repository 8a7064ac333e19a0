package plan

import (
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
			if got := Threads(tt.job, tt.servers, tt.cores, ollama.Info{Threads: tt.own}); got != tt.want {
				t.Errorf("%d threads, want %d", got, tt.want)
			}
		})
	}
}

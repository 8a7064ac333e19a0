package slurm_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	cluster "fluxworker/test/slurm"
	"fluxworker/worker/slurm"
)

type limits struct {
	CPUs   int
	Memory slurm.Memory
}

func init() {
	jobDoes["limits"] = func() error {
		j, err := slurm.FromEnviron(os.Environ())
		if err != nil {
			return err
		}
		return report(limits{j.CPUs(), j.Memory(slurm.ProcessGroups())})
	}
}

func TestLiveLimits(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Nodes: 1, ConstrainMemory: true})
	all := runtime.NumCPU()
	for _, x := range []struct {
		name, script string
		args         []string
		tasks, cpus  int
		mib          uint64
		from         string // how it ends
	}{
		{"--mem", "exec ", []string{"--mem=300", "--cpus-per-task=1"}, 1, 1, 300, "SLURM_MEM_PER_NODE"},
		{"the environment says nothing", "exec env -u SLURM_MEM_PER_NODE ", []string{"--mem=300", "-n1", "-c8"}, 1, all, 300, "memory.limit_in_bytes"},
		{"by CPU", "exec ", []string{"--mem-per-cpu=60", "--cpus-per-task=4"}, 1, all, 240, "SLURM_MEM_PER_CPU"},
		{"tasks", "srun ", []string{"--mem=300", "-n2"}, 2, 1, 150, "SLURM_MEM_PER_NODE"},
		{"tasks, the environment says nothing", "srun env -u SLURM_MEM_PER_NODE ", []string{"--mem=300", "-n2"}, 2, 1, 150, "memory.limit_in_bytes"},
	} {
		dir := t.TempDir()
		p := cluster.NewPipe(t, dir)
		c.Sbatch(t, dir, "#!/bin/bash\n"+x.script+job(t, "limits", p), x.args...)
		for range x.tasks {
			var got limits
			read(t, p, &got)
			if got.CPUs != x.cpus || got.Memory.Bytes != x.mib<<20 || !strings.HasSuffix(got.Memory.From, x.from) {
				t.Errorf("%s: %+v, want %d CPUs and %d MiB by %s", x.name, got, x.cpus, x.mib, x.from)
			}
		}
		c.Empty(t)
	}
}

package slurm_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fluxworker/worker/slurm"
)

func TestCPUs(t *testing.T) {
	all := runtime.NumCPU()
	for _, c := range []struct {
		name string
		job  slurm.Job
		want int
	}{
		{"no job", slurm.Job{}, all},
		{"one CPU each", slurm.Job{ID: 1, CPUsPerTask: 1, CPUsOnNode: all}, 1},
		{"a batch script has all of the job", slurm.Job{ID: 1, CPUsOnNode: all}, all},
		{"more than there are", slurm.Job{ID: 1, CPUsPerTask: 4096, CPUsOnNode: 4096}, all},
		{"tasks share the node's part", slurm.Job{ID: 1, CPUsOnNode: 4, Step: slurm.Step{In: true, Tasks: 4, LocalTasks: 4}}, 1},
		{"never none", slurm.Job{ID: 1, CPUsOnNode: 1, Step: slurm.Step{In: true, Tasks: 4, LocalTasks: 4}}, 1},
		{"the batch script's number is inherited, the step has fewer", slurm.Job{ID: 1, CPUsPerTask: all, CPUsOnNode: 1, Step: slurm.Step{In: true, Tasks: 1, LocalTasks: 1}}, 1},
	} {
		if got := c.job.CPUs(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestMemory(t *testing.T) {
	const mib = 1 << 20
	none := slurm.Groups{Membership: filepath.Join(t.TempDir(), "none")}
	limited := func(membership string, files map[string]string) slurm.Groups {
		g := slurm.Groups{Membership: filepath.Join(t.TempDir(), "cgroup"), Mount: t.TempDir()}
		for name, text := range files {
			path := filepath.Join(g.Mount, name)
			os.MkdirAll(filepath.Dir(path), 0o700)
			if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(g.Membership, []byte(membership), 0o600); err != nil {
			t.Fatal(err)
		}
		return g
	}
	v1 := limited("9:name=systemd:/\n4:memory:/slurm/uid_0/job_7/step_batch\n0::/\n", map[string]string{
		"memory/memory.limit_in_bytes":                              "9223372036854771712",
		"memory/slurm/uid_0/job_7/memory.limit_in_bytes":            "104857600",
		"memory/slurm/uid_0/job_7/step_batch/memory.limit_in_bytes": "209715200",
		"memory/slurm/uid_0/job_7/step_batch/memory.usage_in_bytes": "1",
		"memory/slurm/uid_0/job_8/step_batch/memory.limit_in_bytes": "1",
	})
	v2 := limited("0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n", map[string]string{
		"system.slice/slurmstepd.scope/job_7/memory.max":                    "max",
		"system.slice/slurmstepd.scope/job_7/step_0/memory.max":             "314572800",
		"system.slice/slurmstepd.scope/job_7/step_0/user/task_0/memory.max": "max",
	})
	for _, c := range []struct {
		name   string
		job    slurm.Job
		groups slurm.Groups
		want   uint64
		from   string
	}{
		{"no job, no cgroups", slurm.Job{}, none, 0, ""},
		{"--mem", slurm.Job{ID: 1, MemoryPerNode: 300}, none, 300 * mib, "SLURM_MEM_PER_NODE"},
		{"--mem=0", slurm.Job{ID: 1, AllMemory: true}, none, 0, ""},
		{"by CPU", slurm.Job{ID: 1, MemoryPerCPU: 100, CPUsOnNode: 4}, none, 400 * mib, "SLURM_MEM_PER_CPU"},
		{"by GPU", slurm.Job{ID: 1, MemoryPerGPU: 50, GPUs: slurm.GPUs{OnNode: 4}}, none, 200 * mib, "SLURM_MEM_PER_GPU"},
		{"one of them is inherited", slurm.Job{ID: 1, MemoryPerNode: 300, MemoryPerCPU: 100, CPUsOnNode: 2}, none, 200 * mib, "SLURM_MEM_PER_CPU"},
		{"tasks share it", slurm.Job{ID: 1, MemoryPerNode: 300, Step: slurm.Step{Tasks: 6, LocalTasks: 3}}, none, 100 * mib, "SLURM_MEM_PER_NODE"},
		{"v1, the least of all levels", slurm.Job{ID: 1, MemoryPerNode: 300}, v1, 100 * mib, filepath.Join(v1.Mount, "memory/slurm/uid_0/job_7/memory.limit_in_bytes")},
		{"v1 outside of a job", slurm.Job{}, v1, 100 * mib, filepath.Join(v1.Mount, "memory/slurm/uid_0/job_7/memory.limit_in_bytes")},
		{"v2", slurm.Job{ID: 1}, v2, 300 * mib, filepath.Join(v2.Mount, "system.slice/slurmstepd.scope/job_7/step_0/memory.max")},
		{"v2, --mem is less", slurm.Job{ID: 1, MemoryPerNode: 100}, v2, 100 * mib, "SLURM_MEM_PER_NODE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.job.Memory(c.groups); got.Bytes != c.want || got.From != c.from {
				t.Errorf("got %+v, want %d from %s", got, c.want, c.from)
			}
		})
	}
	// A limit that is requested but not enforced ends nothing.
	asked := slurm.Job{ID: 1, MemoryPerNode: 100, Step: slurm.Step{Tasks: 6, LocalTasks: 3}}
	if got := asked.EnforcedMemory(none); got != (slurm.Memory{}) {
		t.Errorf("without cgroups %+v is enforced", got)
	}
	if got := asked.EnforcedMemory(v2); got.Bytes != 100*mib || !strings.HasSuffix(got.From, "/step_0/memory.max") {
		t.Errorf("%+v is enforced, want a third of 300 MiB", got)
	}
}

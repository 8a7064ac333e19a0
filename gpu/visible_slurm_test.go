package gpu

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// The environments of a 22.05 cluster, as its jobs and steps see them.
func TestAllocatedInSlurm(t *testing.T) {
	job := []string{"SLURM_JOB_ID=7", "SLURM_PROCID=0"}
	env := func(more ...string) []string { return append(slices.Clone(job), more...) }
	constrained := []Device{with(four[0], forbidden), with(four[1], forbidden), four[2], with(four[3], forbidden)}
	for _, c := range []struct {
		name    string
		env     []string
		devices []Device
		want    string
		from    string
		err     string
		noGPU   bool // ErrNotAllocated
	}{
		{name: "sbatch --gres=gpu:1", env: env("CUDA_VISIBLE_DEVICES=0", "ROCR_VISIBLE_DEVICES=0", "GPU_DEVICE_ORDINAL=0", "ZE_AFFINITY_MASK=0", "SLURM_JOB_GPUS=0", "SLURM_GPUS_ON_NODE=1"),
			devices: four, want: "a", from: "CUDA_VISIBLE_DEVICES"},
		{name: "the second job of the node, not constrained", env: env("CUDA_VISIBLE_DEVICES=1", "SLURM_JOB_GPUS=1", "SLURM_GPUS_ON_NODE=1"), devices: four, want: "b"},
		{name: "the third job of the node, ConstrainDevices=yes", env: env("CUDA_VISIBLE_DEVICES=0", "SLURM_JOB_GPUS=2", "SLURM_GPUS_ON_NODE=1"), devices: constrained, want: "c"},
		{name: "no GPU asked for", env: env(), devices: four, noGPU: true, err: "--gres=gpu:1"},
		{name: "no GPU asked for, ConstrainDevices=yes", env: env(), devices: []Device{with(four[0], forbidden)}, noGPU: true, err: "--gres=gpu:1"},
		{name: "no GPU asked for, no GPU on the node", env: env(), noGPU: true, err: "--gres=gpu:1"},
		{name: "no GPU asked for, an empty list", env: env("CUDA_VISIBLE_DEVICES="), devices: four, noGPU: true, err: "--gres=gpu:1"},
		{name: "no GPU asked for, old SLURM", env: env("CUDA_VISIBLE_DEVICES=NoDevFiles"), devices: four, noGPU: true, err: "--gres=gpu:1"},
		{name: "a salloc shell", env: []string{"SLURM_JOB_ID=7", "SLURM_JOBID=7", "SLURM_NNODES=1"}, devices: four, noGPU: true, err: "salloc"},
		{name: "the job has GPUs, the list was emptied", env: env("CUDA_VISIBLE_DEVICES=", "SLURM_JOB_GPUS=0"), devices: four, err: "CUDA_VISIBLE_DEVICES is empty"},
		{name: "srun -n4, every task sees all", env: env("CUDA_VISIBLE_DEVICES=0,1,2,3", "SLURM_STEP_ID=0", "SLURM_STEP_GPUS=0,1,2,3", "SLURM_LOCALID=2"), devices: four, want: "a b c d"},
		{name: "srun -n4 --gpus-per-task=1", env: env("CUDA_VISIBLE_DEVICES=2", "SLURM_STEP_ID=0", "SLURM_STEP_GPUS=2", "SLURM_JOB_GPUS=0,1,2,3"), devices: four, want: "c"},
		{name: "srun from a shell", env: env("CUDA_VISIBLE_DEVICES=3", "SLURM_STEP_ID=0", "SLURM_STEP_GPUS=3"), devices: four, want: "d"},
		{name: "a MIG instance", env: env("CUDA_VISIBLE_DEVICES=MIG-c2000000-0000-5000-8000-000000000000", "SLURM_JOB_GPUS=3"), devices: migNode, want: "c2"},

		{name: "list unset, job's numbers", env: env("SLURM_JOB_GPUS=1,3", "SLURM_GPUS_ON_NODE=2"), devices: four, want: "b d", from: "SLURM_JOB_GPUS"},
		{name: "list unset, a range", env: env("SLURM_JOB_GPUS=1-2"), devices: four, want: "b c"},
		{name: "list unset, the step's before the job's", env: env("SLURM_JOB_GPUS=0,1", "SLURM_STEP_GPUS=1"), devices: four, want: "b", from: "SLURM_STEP_GPUS"},
		{name: "list unset, cgroups chose", env: env("SLURM_JOB_GPUS=2"), devices: constrained, want: "c"},
		{name: "list unset, node-wide though a GPU is hidden", env: env("SLURM_JOB_GPUS=3"), devices: []Device{with(four[0], forbidden), four[1], four[2], four[3]}, want: "d"},
		{name: "list unset, a number too high", env: env("SLURM_JOB_GPUS=4"), devices: four, err: "does not identify this job's devices"},
		{name: "list unset, only a count", env: env("SLURM_GPUS_ON_NODE=1"), devices: four, err: "does not identify this job's devices"},
		{name: "list unset, only a count, cgroups chose", env: env("SLURM_GPUS_ON_NODE=1"), devices: constrained, want: "c", from: "SLURM_GPUS_ON_NODE"},
		{name: "list unset, a count of all", env: env("SLURM_GPUS_ON_NODE=4"), devices: four, want: "a b c d"},
		{name: "list unset, a count of none", env: env("SLURM_GPUS_ON_NODE=0"), devices: four, noGPU: true, err: "--gres=gpu:1"},
		{name: "list unset, numbers of another form", env: env("SLURM_JOB_GPUS=gpu:a100:0", "SLURM_GPUS_ON_NODE=4"), devices: four, want: "a b c d", from: "SLURM_GPUS_ON_NODE"},
		{name: "list unset, MIG", env: env("SLURM_JOB_GPUS=2"), devices: migNode, err: "does not identify this job's devices"},
		{name: "list unset, MIG, cgroups chose", env: env("SLURM_JOB_GPUS=2"),
			devices: []Device{with(four[0], forbidden), with(whole(1, "c"), cut), with(slice(1, "c", 1), forbidden), slice(1, "c", 2)}, want: "c2"},
		{name: "list unset, the GPU is lost", env: env("SLURM_JOB_GPUS=1"), devices: []Device{four[0], with(four[1], lost)}, err: "lost"},
		{name: "outside of a job these variables do not count", env: []string{"SLURM_JOB_GPUS=1"}, devices: four, want: "a b c d", from: fromAll},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := Allocated(c.env, Report{Source: SourceNVML, Devices: c.devices})
			checkAllocated(t, a, err, c.want, c.err)
			if errors.Is(err, ErrNotAllocated) != c.noGPU {
				t.Errorf("got %v", err)
			}
			if c.from != "" && a.From != c.from {
				t.Errorf("from %q, want %q", a.From, c.from)
			}
		})
	}
}

func TestIntList(t *testing.T) {
	for in, want := range map[string][]int{"0": {0}, "0,2-3": {0, 2, 3}, " 1 , 2 ": {1, 2}, "": nil, "a": nil, "3-1": nil, "-1": nil, "0-9999999": nil, "1-": nil} {
		if got, ok := intList(in); !slices.Equal(got, want) || ok != (want != nil) {
			t.Errorf("%q: %v, %v", in, got, ok)
		}
	}
}

func TestStepTasks(t *testing.T) {
	step := []string{"SLURM_JOB_ID=7", "SLURM_STEP_ID=0", "SLURM_LOCALID=2", "SLURM_NODEID=0", "SLURM_STEP_TASKS_PER_NODE=4", "SLURM_STEP_NUM_TASKS=4"}
	for _, c := range []struct {
		name         string
		env          []string
		local, tasks int
	}{
		{"no job", nil, 0, 1},
		{"batch script with -n 4", []string{"SLURM_JOB_ID=7", "SLURM_NTASKS=4", "SLURM_PROCID=0", "SLURM_LOCALID=0", "SLURM_TASKS_PER_NODE=4"}, 0, 1},
		{"batch script of SLURM 26.05 with -n 4", []string{"SLURM_JOB_ID=7", "SLURM_STEP_ID=-5", "SLURM_LOCALID=0", "SLURM_TASKS_PER_NODE=4"}, 0, 1},
		{"srun -n4", step, 2, 4},
		{"srun -n4 --gpus-per-task=1", append(slices.Clone(step), "SLURM_GPUS_PER_TASK=1"), 0, 1},
		{"srun -n4 --tres-per-task", append(slices.Clone(step), "SLURM_TRES_PER_TASK=cpu=4,gres/gpu=1"), 0, 1},
		{"srun -n4 --ntasks-per-gpu=1", append(slices.Clone(step), "SLURM_NTASKS_PER_GPU=1"), 0, 1},
		{"srun -n4 --gpu-bind=single:1", append(slices.Clone(step), "SLURM_GPU_BIND=single:1"), 0, 1},
		{"srun -n4 --gpu-bind=none", append(slices.Clone(step), "SLURM_GPU_BIND=verbose,none"), 2, 4},
		{"srun -n4 --tres-bind=none", append(slices.Clone(step), "SLURM_TRES_BIND=gres/gpu:none"), 2, 4},
		{"the second node", []string{"SLURM_STEP_ID=0", "SLURM_LOCALID=0", "SLURM_NODEID=2", "SLURM_STEP_TASKS_PER_NODE=4(x2),3"}, 0, 3},
		{"the job's counts", []string{"SLURM_STEP_ID=0", "SLURM_LOCALID=1", "SLURM_TASKS_PER_NODE=2(x3)"}, 1, 2},
		{"counts that do not fit", []string{"SLURM_STEP_ID=0", "SLURM_LOCALID=5", "SLURM_STEP_TASKS_PER_NODE=4"}, 0, 1},
		{"no counts", []string{"SLURM_STEP_ID=0", "SLURM_LOCALID=1"}, 0, 1},
		{"broken counts", []string{"SLURM_STEP_ID=0", "SLURM_LOCALID=1", "SLURM_STEP_TASKS_PER_NODE=4(xy)"}, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if local, tasks := StepTasks(c.env); local != c.local || tasks != c.tasks {
				t.Errorf("got task %d of %d, want %d of %d", local, tasks, c.local, c.tasks)
			}
		})
	}
}

func TestShareByLocalID(t *testing.T) {
	for _, c := range []struct {
		gpus, tasks int
		want        string // each task's devices, and how many share them where several do
	}{
		{4, 1, "a b c d"}, {4, 2, "a b|c d"}, {4, 3, "a|b|c d"}, {4, 4, "a|b|c|d"}, {3, 2, "a|b c"},
		{2, 4, "a*2|a*2|b*2|b*2"}, {2, 3, "a*2|a*2|b"}, {1, 3, "a*3|a*3|a*3"}, {3, 4, "a*2|a*2|b|c"},
	} {
		var got []string
		for l := range c.tasks {
			s, err := ShareByLocalID(four[:c.gpus], l, c.tasks)
			if err != nil {
				t.Fatal(err)
			}
			text := short(s.Devices)
			if s.Tasks > 1 {
				text += "*" + string(rune('0'+s.Tasks))
			}
			if (s.Tasks > 1) != strings.Contains(s.Warning, "share") {
				t.Errorf("%d GPUs, task %d of %d: %+v", c.gpus, l, c.tasks, s)
			}
			got = append(got, text)
		}
		if text := strings.Join(got, "|"); text != c.want {
			t.Errorf("%d GPUs, %d tasks: %s, want %s", c.gpus, c.tasks, text, c.want)
		}
	}
}

// Every device is used, no two tasks overlap without knowing, and sizes differ by at most one.
func TestShareByLocalIDIsFair(t *testing.T) {
	for n := 1; n <= 9; n++ {
		devices := make([]Device, n)
		for i := range devices {
			devices[i].UUID = string(rune('a' + i))
		}
		for tasks := 1; tasks <= 20; tasks++ {
			users := map[string]int{}
			ranks := map[string]int{}
			least, most := n, 0
			shares := make([]Share, tasks)
			for l := range tasks {
				s, err := ShareByLocalID(devices, l, tasks)
				if err != nil {
					t.Fatal(err)
				}
				shares[l] = s
				least, most = min(least, len(s.Devices)), max(most, len(s.Devices))
				for _, d := range s.Devices {
					users[d.UUID]++
				}
				if uuid := s.Devices[0].UUID; s.Rank != ranks[uuid] {
					t.Fatalf("%d devices, task %d of %d: rank %d, want %d", n, l, tasks, s.Rank, ranks[uuid])
				}
				ranks[s.Devices[0].UUID]++
			}
			if len(users) != n || most-least > 1 {
				t.Fatalf("%d devices, %d tasks: %d used, %d to %d each", n, tasks, len(users), least, most)
			}
			for _, s := range shares {
				if users[s.Devices[0].UUID] != s.Tasks {
					t.Fatalf("%d devices, %d tasks: %+v, but %d use it", n, tasks, s, users[s.Devices[0].UUID])
				}
			}
		}
	}
}

func TestShareByLocalIDErrors(t *testing.T) {
	for _, c := range []struct{ gpus, local, tasks int }{{1, -1, 1}, {1, 1, 1}, {1, 0, 0}, {0, 0, 1}} {
		if _, err := ShareByLocalID(four[:c.gpus], c.local, c.tasks); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

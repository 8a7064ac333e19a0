package slurm_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"fluxworker/worker/slurm"
)

// What the recorded environments say, but for the numbers that differ from job to job.
func TestRecordedEnvironments(t *testing.T) {
	plain := slurm.Job{User: "root", Node: "node1", Nodes: 1, CPUsOnNode: 1, MemoryPerCPU: 100}
	change := func(j slurm.Job, changes ...func(*slurm.Job)) slurm.Job {
		for _, f := range changes {
			f(&j)
		}
		return j
	}
	array := func(task, count, first, last, step int) func(*slurm.Job) {
		return func(j *slurm.Job) {
			j.Array = slurm.Array{JobID: 1, Task: task, Count: count, Min: first, Max: last, Step: step}
		}
	}
	step := func(rank, tasks int) func(*slurm.Job) {
		return func(j *slurm.Job) {
			j.Name, j.CPUsOnNode = "env", tasks
			j.Step = slurm.Step{In: true, Rank: rank, Tasks: tasks, LocalRank: rank, LocalTasks: tasks, Nodes: 1}
		}
	}
	gpus := func(job, step string, n int) func(*slurm.Job) {
		return func(j *slurm.Job) { j.GPUs = slurm.GPUs{Job: job, Step: step, OnNode: n} }
	}
	for file, want := range map[string]slurm.Job{
		"sbatch": change(plain, func(j *slurm.Job) { j.Name = "answers" }),
		"sbatch-gpu": change(plain, gpus("0", "", 1), func(j *slurm.Job) {
			j.CPUsPerTask, j.CPUsOnNode, j.MemoryPerCPU, j.MemoryPerNode = 2, 2, 0, 300
		}),
		"sbatch-gpus-4":             change(plain, gpus("0,1,2,3", "", 4), func(j *slurm.Job) { j.MemoryPerCPU, j.MemoryPerGPU = 0, 50 }),
		"sbatch-all-memory":         change(plain, gpus("0,1,2,3", "", 4), func(j *slurm.Job) { j.MemoryPerCPU, j.CPUsOnNode = 0, 8 }),
		"array-2-alone.task2":       change(plain, array(2, 1, 2, 2, 1)),
		"array-1-9-step-4.task5":    change(plain, array(5, 3, 1, 9, 4)),
		"array-list.task9":          change(plain, array(9, 5, 1, 11, 1)),
		"batch-n4":                  change(plain, func(j *slurm.Job) { j.CPUsOnNode = 4 }),
		"step-gpus-shared.rank2":    change(plain, step(2, 4), gpus("0,1,2,3", "0,1,2,3", 4)),
		"step-gpus-per-task.rank3":  change(plain, step(3, 4), gpus("0,1,2,3", "3", 4)),
		"step-in-array.task5.rank1": change(plain, array(5, 2, 4, 5, 1), step(1, 2)),
		"srun-alone.rank1":          change(plain, step(1, 2), gpus("", "0,1", 2), func(j *slurm.Job) { j.MemoryPerCPU = 0 }),
		"salloc-step.rank1": change(plain, step(1, 2), gpus("", "0,1", 2), func(j *slurm.Job) {
			j.MemoryPerCPU, j.Name = 0, "interactive"
		}),
		"salloc-shell": {Name: "interactive", Nodes: 1},
		// A batch script that a task of a step has submitted is no task of that step.
		"sbatch-from-step": change(plain, gpus("1", "0", 1), func(j *slurm.Job) { j.Name = "wrap" }),
	} {
		for _, version := range versions {
			t.Run(version+"/"+file, func(t *testing.T) {
				got, err := slurm.FromEnviron(recording(t, version, file+".env"))
				if err != nil {
					t.Fatal(err)
				}
				if !got.Inside() {
					t.Error("not inside of a job")
				}
				if version != "22.05" {
					if got.Name == "sbatch" { // of a script from stdin, also in its steps
						got.Name = want.Name
					}
					if file != "salloc-shell" && got.EndFrom != slurm.FromEndTime {
						t.Errorf("the end is from %q", got.EndFrom)
					}
				}
				got.ID, got.Array.JobID, got.End, got.EndFrom = 0, min(1, got.Array.JobID), time.Time{}, ""
				if !reflect.DeepEqual(got, want) {
					t.Errorf("\ngot  %+v\nwant %+v", fields(got), fields(want))
				}
			})
		}
	}
}

// fields is a job that prints all it holds.
type fields slurm.Job

func TestStepOfSeveralNodes(t *testing.T) {
	for _, version := range versions {
		local := map[string]int{}
		for _, rank := range []string{"0", "1", "2"} {
			j, err := slurm.FromEnviron(recording(t, version, "step-two-nodes.rank"+rank+".env"))
			if err != nil {
				t.Fatal(err)
			}
			if j.Nodes != 2 || j.Step.Nodes != 2 || j.Step.Tasks != 3 || !j.Parallel() {
				t.Errorf("%s, rank %s: %+v", version, rank, j)
			}
			local[j.Node] = j.Step.LocalTasks
		}
		if want := map[string]int{"node1": 2, "node2": 1}; !reflect.DeepEqual(local, want) {
			t.Errorf("%s: tasks by node: %v, want %v", version, local, want)
		}
	}
}

func TestFromEnviron(t *testing.T) {
	for _, c := range []struct {
		name string
		env  string
		ref  string // "" outside
		err  string
	}{
		{name: "no job", env: "PATH=/bin SLURM_CONF=/etc/slurm.conf SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_JOB_ID=2"},
		{name: "an old name", env: "SLURM_JOBID=7", ref: "7"},
		{name: "the first value counts", env: "SLURM_JOB_ID=7 SLURM_JOB_ID=8", ref: "7"},
		{name: "the array's form", env: "SLURM_JOB_ID=9 SLURM_ARRAY_JOB_ID=9 SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_COUNT=4", ref: "9_3"},
		{name: "no number", env: "SLURM_JOB_ID=seven", err: "SLURM_JOB_ID=seven"},
		{name: "no job is zero", env: "SLURM_JOB_ID=0", err: "SLURM_JOB_ID=0"},
		{name: "a task that is no number", env: "SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=%a", err: "SLURM_ARRAY_TASK_ID=%a"},
		{name: "a wild count", env: "SLURM_JOB_ID=7 SLURM_CPUS_ON_NODE=99999999999", err: "SLURM_CPUS_ON_NODE=99999999999"},
		{name: "negative memory", env: "SLURM_JOB_ID=7 SLURM_MEM_PER_NODE=-1", err: "SLURM_MEM_PER_NODE=-1"},
		{name: "a rank too high", env: "SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_PROCID=4 SLURM_STEP_NUM_TASKS=4", err: "SLURM_PROCID=4"},
		{name: "counts that do not fit", env: "SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=4 SLURM_LOCALID=2 SLURM_STEP_TASKS_PER_NODE=2(x2)", err: "SLURM_STEP_TASKS_PER_NODE=2(x2)"},
		{name: "broken counts", env: "SLURM_JOB_ID=7 SLURM_STEP_ID=0 SLURM_STEP_TASKS_PER_NODE=2(xy)", err: "SLURM_STEP_TASKS_PER_NODE=2(xy)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, err := slurm.FromEnviron(strings.Fields(c.env))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want an error with %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if ref := j.Ref(); j.Inside() != (c.ref != "") || c.ref != "" && ref != c.ref {
				t.Errorf("%s, want %s", j, c.ref)
			}
		})
	}
}

func TestEndTimeOfNewerVersions(t *testing.T) {
	j, err := slurm.FromEnviron([]string{"SLURM_JOB_ID=7", "SLURM_JOB_END_TIME=1700000000"})
	if err != nil || !j.End.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("%v, %v", j.End, err)
	}
	// As SLURM 24.11 and 26.05 say it for --time=UNLIMITED.
	j, err = slurm.FromEnviron([]string{"SLURM_JOB_ID=7", "SLURM_JOB_START_TIME=1700000000", "SLURM_JOB_END_TIME=1731536000"})
	if err != nil || !j.End.IsZero() {
		t.Errorf("a job without a limit: %v, %v", j.End, err)
	}
}

// SLURM 26.05 gives a batch script, also of several tasks, and the shell of salloc a step id below 0, which is no step.
func TestNoStepOfNewerVersions(t *testing.T) {
	for _, env := range []string{
		"SLURM_JOB_ID=3 SLURM_STEP_ID=-5 SLURM_STEPID=-5 SLURM_NTASKS=4 SLURM_NPROCS=4 SLURM_TASKS_PER_NODE=4 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0 SLURM_GTIDS=0",
		"SLURM_JOB_ID=3 SLURM_STEP_ID=-6 SLURM_STEPID=-6 SLURM_NTASKS=2 SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0",
	} {
		j, err := slurm.FromEnviron(strings.Fields(env))
		if err != nil || j.Step.In || j.Parallel() {
			t.Errorf("%s: %+v, %v; want no step", env, j.Step, err)
		}
	}
}

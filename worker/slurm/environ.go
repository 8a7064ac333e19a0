package slurm

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FromEnviron reads the variables of a process ("NAME=value" strings, as os.Environ gives them). Outside of a job it
// returns the zero Job. An error names the variable whose value cannot be what SLURM writes.
func FromEnviron(env []string) (Job, error) {
	r := reader{vars: map[string]string{}}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if _, twice := r.vars[name]; !twice && strings.HasPrefix(name, "SLURM") { // the first counts, as for getenv
			r.vars[name] = strings.TrimSpace(value)
		}
	}
	j := Job{ID: r.number(1, math.MaxInt64, "SLURM_JOB_ID", "SLURM_JOBID")}
	if r.err == nil && j.ID == 0 {
		return Job{}, nil
	}
	j.Name, j.User, j.Node = r.vars["SLURM_JOB_NAME"], r.vars["SLURM_JOB_USER"], r.vars["SLURMD_NODENAME"]
	j.Nodes = max(1, r.int(1, "SLURM_JOB_NUM_NODES", "SLURM_NNODES"))
	j.Restarts = r.int(0, "SLURM_RESTART_COUNT")
	j.Array, j.Step = r.array(), r.step()
	j.GPUs = GPUs{Job: r.vars["SLURM_JOB_GPUS"], Step: r.vars["SLURM_STEP_GPUS"], OnNode: r.int(0, "SLURM_GPUS_ON_NODE")}
	j.CPUsPerTask, j.CPUsOnNode = r.int(1, "SLURM_CPUS_PER_TASK"), r.int(1, "SLURM_CPUS_ON_NODE")
	j.MemoryPerNode = r.number(0, math.MaxInt64>>20, "SLURM_MEM_PER_NODE")
	j.AllMemory = r.vars["SLURM_MEM_PER_NODE"] != "" && j.MemoryPerNode == 0
	j.MemoryPerCPU = r.number(0, math.MaxInt64>>20, "SLURM_MEM_PER_CPU")
	j.MemoryPerGPU = r.number(0, math.MaxInt64>>20, "SLURM_MEM_PER_GPU")
	if end := r.number(0, math.MaxUint32<<2, "SLURM_JOB_END_TIME"); end > 0 {
		j.End, j.EndFrom = time.Unix(end, 0), FromEndTime
	}
	if r.err != nil {
		return Job{}, r.err
	}
	return j, nil
}

// reader reads numbers and keeps the first error.
type reader struct {
	vars map[string]string
	err  error
}

// number returns the first of the variables that is set, or 0. An array of variables is one thing under its name of
// today and those of older versions.
func (r *reader) number(least, most int64, names ...string) int64 {
	for _, name := range names {
		value := r.vars[name]
		if value == "" {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if (err != nil || n < least || n > most) && r.err == nil {
			r.err = fmt.Errorf("read the SLURM environment: %s=%s is not a number from %d; unset it if it is not SLURM's", name, value, least)
		}
		return n
	}
	return 0
}

func (r *reader) int(least int64, names ...string) int {
	return int(r.number(least, math.MaxInt32, names...))
}

func (r *reader) array() Array {
	if r.vars["SLURM_ARRAY_JOB_ID"] == "" || r.vars["SLURM_ARRAY_TASK_ID"] == "" {
		return Array{}
	}
	a := Array{
		JobID: r.number(1, math.MaxInt64, "SLURM_ARRAY_JOB_ID"),
		Task:  r.int(0, "SLURM_ARRAY_TASK_ID"),
		Count: r.int(1, "SLURM_ARRAY_TASK_COUNT"),
		Min:   r.int(0, "SLURM_ARRAY_TASK_MIN"),
		Max:   r.int(0, "SLURM_ARRAY_TASK_MAX"),
		Step:  r.int(0, "SLURM_ARRAY_TASK_STEP"),
	}
	a.Step = max(1, a.Step)
	return a
}

func (r *reader) step() Step {
	if r.vars["SLURM_STEP_ID"] == "" || r.inheritedStep() {
		return Step{}
	}
	s := Step{
		In:        true,
		ID:        r.number(0, math.MaxInt64, "SLURM_STEP_ID"),
		Rank:      r.int(0, "SLURM_PROCID"),
		Tasks:     max(1, r.int(1, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")),
		LocalRank: r.int(0, "SLURM_LOCALID"),
		NodeRank:  r.int(0, "SLURM_NODEID"),
		Nodes:     max(1, r.int(1, "SLURM_STEP_NUM_NODES", "SLURM_NNODES")),
	}
	if s.Rank >= s.Tasks && r.err == nil {
		r.err = fmt.Errorf("read the SLURM environment: SLURM_PROCID=%d in a step of %d tasks (a heterogeneous job counts so; use --shard i/n there)", s.Rank, s.Tasks)
	}
	s.LocalTasks = r.localTasks(s)
	return s
}

// inheritedStep tells whether the step's variables are another job's: sbatch, called inside of a step, hands them on. Of
// a batch script SLURM sets SLURM_PROCID, SLURM_NODEID and SLURM_GTIDS anew, and the last lists the step's tasks here.
// A step of one task on each node is not told from its heir so; that matters only where both have several nodes.
func (r *reader) inheritedStep() bool {
	here := r.vars["SLURM_GTIDS"]
	if here == "" {
		return false
	}
	list := strings.Split(here, ",")
	rank := r.vars["SLURM_PROCID"]
	tasks, ok := tasksOnNode(r.vars["SLURM_STEP_TASKS_PER_NODE"], r.vars["SLURM_NODEID"])
	return !slices.Contains(list, rank) || ok && tasks != len(list)
}

// localTasks is how many tasks the step has on this node.
func (r *reader) localTasks(s Step) int {
	const name = "SLURM_STEP_TASKS_PER_NODE"
	if r.vars[name] == "" {
		return 1
	}
	n, ok := tasksOnNode(r.vars[name], r.vars["SLURM_NODEID"])
	if (!ok || s.LocalRank >= n) && r.err == nil {
		r.err = fmt.Errorf("read the SLURM environment: %s=%s does not tell the tasks of node %d, where this is task %d (SLURM_NODEID, SLURM_LOCALID)", name, r.vars[name], s.NodeRank, s.LocalRank)
	}
	return max(1, n)
}

// tasksOnNode reads "2(x3),1", the tasks on each node in turn.
func tasksOnNode(counts, node string) (tasks int, ok bool) {
	at, err := strconv.Atoi(cmp.Or(node, "0"))
	if err != nil || at < 0 {
		return 0, false
	}
	for part := range strings.SplitSeq(counts, ",") {
		count, times, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(part), ")"), "(x")
		n, err := strconv.Atoi(count)
		repeat, errTimes := strconv.Atoi(cmp.Or(times, "1"))
		if err != nil || errTimes != nil || n < 1 || repeat < 1 {
			return 0, false
		}
		if at < repeat {
			return n, true
		}
		at -= repeat
	}
	return 0, false
}

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

// FromEnviron reads the job from environment variables ("NAME=value", as in os.Environ). Outside a job it returns the
// zero Job. An error names a variable with a value that SLURM never writes.
func FromEnviron(env []string) (Job, error) {
	r := reader{vars: map[string]string{}}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if _, twice := r.vars[name]; !twice && strings.HasPrefix(name, "SLURM") { // the first value counts, as in getenv
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
	if end := r.number(0, math.MaxUint32<<2, "SLURM_JOB_END_TIME"); end > 0 && !r.unlimited(end) {
		j.End, j.EndFrom = time.Unix(end, 0), FromEndTime
	}
	if r.err != nil {
		return Job{}, r.err
	}
	return j, nil
}

// reader parses variables and keeps the first error.
type reader struct {
	vars map[string]string
	err  error
}

// number returns the value of the first variable that is set, or 0. The names are one setting's current name and its
// names in older versions.
func (r *reader) number(low, high int64, names ...string) int64 {
	for _, name := range names {
		value := r.vars[name]
		if value == "" {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if (err != nil || n < low || n > high) && r.err == nil {
			r.err = fmt.Errorf("read the SLURM environment: %s=%s is not a number from %d; unset it if SLURM did not set it", name, value, low)
		}
		return n
	}
	return 0
}

func (r *reader) int(low int64, names ...string) int {
	return int(r.number(low, math.MaxInt32, names...))
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

// unlimited reports whether the end of the job, a Unix time, stands for no end: SLURM says a year after the start for
// --time=UNLIMITED.
func (r *reader) unlimited(end int64) bool {
	const year = 365 * 24 * 60 * 60
	start := r.number(0, math.MaxUint32<<2, "SLURM_JOB_START_TIME")
	return start > 0 && end-start >= year
}

// step returns the step of the process. SLURM 26.05 gives batch scripts and the shell of salloc a negative id (-5, -6): they are
// in no step.
func (r *reader) step() Step {
	if id := r.vars["SLURM_STEP_ID"]; id == "" || strings.HasPrefix(id, "-") || r.inheritedStep() {
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
		r.err = fmt.Errorf("read the SLURM environment: SLURM_PROCID=%d in a step of %d tasks (as in a heterogeneous job; use --shard i/n)", s.Rank, s.Tasks)
	}
	s.LocalTasks = r.localTasks(s)
	return s
}

// inheritedStep reports whether the step's variables belong to another job: sbatch inside a step passes them on. For a
// batch script SLURM sets SLURM_PROCID, SLURM_NODEID and SLURM_GTIDS anew; SLURM_GTIDS lists the step's tasks on this
// node. This check does not detect an inherited step with one task per node; that matters only if both jobs have
// several nodes.
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

// localTasks returns the number of the step's tasks on this node.
func (r *reader) localTasks(s Step) int {
	const name = "SLURM_STEP_TASKS_PER_NODE"
	if r.vars[name] == "" {
		return 1
	}
	n, ok := tasksOnNode(r.vars[name], r.vars["SLURM_NODEID"])
	if (!ok || s.LocalRank >= n) && r.err == nil {
		r.err = fmt.Errorf("read the SLURM environment: %s=%s does not match node %d and its task %d (SLURM_NODEID, SLURM_LOCALID)", name, r.vars[name], s.NodeRank, s.LocalRank)
	}
	return max(1, n)
}

// tasksOnNode returns the number of tasks on a node, from a list like "2(x3),1" with the tasks of each node in order.
func tasksOnNode(tasksPerNode, node string) (tasks int, ok bool) {
	at, err := strconv.Atoi(cmp.Or(node, "0"))
	if err != nil || at < 0 {
		return 0, false
	}
	for part := range strings.SplitSeq(tasksPerNode, ",") {
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

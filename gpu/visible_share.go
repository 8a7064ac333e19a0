package gpu

import (
	"fmt"
	"strconv"
	"strings"
)

// Share is one task's part of devices that all tasks of a step on the node see.
type Share struct {
	Devices []Device
	// Tasks is the number of tasks that use these Devices, including this one: 1, or more if there are more tasks than
	// devices. Each of them may use only its share of the free memory.
	Tasks int
	// Rank is this task's position among these Tasks, from 0.
	Rank int
	// Warning says that several tasks share one device; empty if they do not.
	Warning string
}

// ShareByLocalID divides devices among the tasks of one step on this node and returns the part of task localID
// (SLURM_LOCALID, from 0). Parts are contiguous and differ in size by at most one, so every device is used. With more
// tasks than devices, neighbouring tasks share a device, as evenly as possible.
//
// All tasks must pass the same devices in the same order, otherwise two of them may take the same device.
func ShareByLocalID(devices []Device, localID, tasks int) (Share, error) {
	n := len(devices)
	switch {
	case tasks < 1 || localID < 0 || localID >= tasks:
		return Share{}, fmt.Errorf("share GPUs: task %d of %d", localID, tasks)
	case n == 0:
		return Share{}, fmt.Errorf("share GPUs among %d tasks: %w", tasks, ErrNone)
	case n >= tasks:
		return Share{Devices: devices[localID*n/tasks : (localID+1)*n/tasks], Tasks: 1}, nil
	}
	at := localID * n / tasks
	// The tasks l of a device satisfy l*n/tasks == at. They begin at the smallest l with l*n >= at*tasks.
	first := (at*tasks + n - 1) / n
	next := ((at+1)*tasks + n - 1) / n
	s := Share{Devices: devices[at : at+1], Tasks: next - first, Rank: localID - first}
	if s.Tasks > 1 {
		s.Warning = fmt.Sprintf("%d tasks on this node for %d GPU(s): %d tasks share %s; one task per GPU is faster", tasks, n, s.Tasks, devices[at].label())
	}
	return s, nil
}

// StepTasks returns how many tasks of this process's step on this node see the same GPUs, including this task, and this
// task's position among them, from 0. Outside a step, and if SLURM gave the task its own GPUs, the result is 0 of 1.
// Only SLURM_STEP_ID shows a step, because SLURM_NTASKS in a batch script describes later steps; since SLURM 26.05 the id is
// negative outside a step. A job that was submitted inside a step inherits the step's variables; SLURM_GTIDS lists other
// tasks then and reveals it.
func StepTasks(env []string) (rank, tasks int) {
	vars := environ(env)
	if id := trimmed(vars.get("SLURM_STEP_ID")); id == "" || strings.HasPrefix(id, "-") {
		return 0, 1
	}
	local, err := strconv.Atoi(trimmed(vars.get("SLURM_LOCALID")))
	if err != nil || local < 0 {
		return 0, 1
	}
	nodeID, err := strconv.Atoi(trimmed(vars.get("SLURM_NODEID")))
	if err != nil {
		nodeID = 0
	}
	tasksPerNode := trimmed(vars.get("SLURM_STEP_TASKS_PER_NODE"))
	if tasksPerNode == "" {
		tasksPerNode = trimmed(vars.get("SLURM_TASKS_PER_NODE"))
	}
	n, ok := tasksOnNode(tasksPerNode, nodeID)
	if !ok || local >= n {
		return 0, 1
	}
	if here := trimmed(vars.get("SLURM_GTIDS")); here != "" && strings.Count(here, ",")+1 != n {
		return 0, 1
	}
	return vars.binding().sharers(local, n)
}

// tasksOnNode returns the number of tasks on a node, from SLURM's list like "2(x3),1" with the tasks of each node in
// order.
func tasksOnNode(s string, nodeID int) (tasks int, ok bool) {
	if nodeID < 0 {
		return 0, false
	}
	for part := range strings.SplitSeq(s, ",") {
		count, repeat, repeated := strings.Cut(strings.TrimSpace(part), "(x")
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 {
			return 0, false
		}
		times := 1
		if repeated {
			if times, err = strconv.Atoi(strings.TrimSuffix(repeat, ")")); err != nil || times < 1 {
				return 0, false
			}
		}
		if nodeID < times {
			return n, true
		}
		nodeID -= times
	}
	return 0, false
}

func trimmed(v string, _ bool) string { return strings.TrimSpace(v) }

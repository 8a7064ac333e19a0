package slurm

import (
	"runtime"
)

// CPUs returns the number of CPUs that this process may use, at least 1: the minimum of the kernel's affinity mask,
// --cpus-per-task, and the process's share of the CPUs that the job or step has on this node. Outside a job only the
// first counts.
//
// SLURM binds a job to its CPUs with an affinity mask or a cpuset if the site enables that (TaskPlugin). Otherwise the
// mask has all CPUs of the node, and only SLURM's variables give the limit. Variables inherited from another job can
// only lower the number.
func (j Job) CPUs() int {
	n := runtime.NumCPU() // as of the start of the process
	if j.CPUsPerTask > 0 {
		n = min(n, j.CPUsPerTask)
	}
	if j.CPUsOnNode > 0 {
		n = min(n, j.CPUsOnNode/j.tasksHere())
	}
	return max(1, n)
}

// tasksHere returns the number of tasks that share the job's part of this node.
func (j Job) tasksHere() int { return max(1, j.Step.LocalTasks) }

// Memory is the part of the node's memory that this process may use.
type Memory struct {
	// Bytes is this task's share of the limit: the job's limit on this node, divided by the number of the step's tasks
	// on the node. 0 means no limit.
	Bytes uint64
	// From is the variable or file of the limit; empty if there is no limit.
	From string
}

// Memory returns the minimum of the job's request and the kernel's limit for this process. The request counts, too: not
// every site enforces it (ConstrainRAMSpace), but every site places other jobs in the rest of the memory. Groups is
// ProcessGroups, or a test's paths.
func (j Job) Memory(groups Groups) Memory {
	var m Memory
	lower := func(bytes uint64, from string) {
		if bytes > 0 && (m.Bytes == 0 || bytes < m.Bytes) {
			m = Memory{bytes, from}
		}
	}
	if !j.AllMemory {
		lower(uint64(j.MemoryPerNode)<<20, "SLURM_MEM_PER_NODE")
		lower(uint64(j.MemoryPerCPU)<<20*uint64(j.CPUsOnNode), "SLURM_MEM_PER_CPU")
		lower(uint64(j.MemoryPerGPU)<<20*uint64(j.GPUs.OnNode), "SLURM_MEM_PER_GPU")
	}
	lower(groups.memoryLimit())
	m.Bytes /= uint64(j.tasksHere())
	return m
}

// EnforcedMemory returns the limit above which the kernel kills this process or its children, as the share of one of
// the step's tasks on this node. The job's request does not count, because not every site enforces it.
func (j Job) EnforcedMemory(groups Groups) Memory {
	bytes, from := groups.memoryLimit()
	return Memory{bytes / uint64(j.tasksHere()), from}
}

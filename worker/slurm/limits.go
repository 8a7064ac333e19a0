package slurm

import (
	"runtime"
)

// CPUs is how many CPUs this process may use, from 1: the least of what the kernel lets it run on, --cpus-per-task, and
// its part of the CPUs that the job or step has on this node. Outside of a job it is the first alone.
//
// SLURM binds a job to its CPUs by an affinity mask or a cpuset where the site has it do so (TaskPlugin); elsewhere the
// mask has every CPU of the node, and its variables are all there is. The variables that a job inherits from the one
// that submitted it can only lower the number.
func (j Job) CPUs() int {
	n := runtime.NumCPU() // as of the process's start
	if j.CPUsPerTask > 0 {
		n = min(n, j.CPUsPerTask)
	}
	if j.CPUsOnNode > 0 {
		n = min(n, j.CPUsOnNode/j.tasksHere())
	}
	return max(1, n)
}

// tasksHere is the number of tasks that have this node's part of the job together.
func (j Job) tasksHere() int { return max(1, j.Step.LocalTasks) }

// Memory is how much of the node's memory this process may use.
type Memory struct {
	// Bytes is this task's part of the limit: that of the job on this node, divided by the step's tasks here. 0 means
	// that there is no limit.
	Bytes uint64
	// From is the variable or the file that sets it; empty where there is none.
	From string
}

// Memory is the least of what the job asked for and what the kernel enforces on this process. The variables count too,
// since not every site enforces them (ConstrainRAMSpace), and those that do not still place other jobs on the rest of
// the node. groups is what reads the cgroups: ProcessGroups, or a test's.
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

// EnforcedMemory is the limit past which the kernel kills one of this process's or its children, as the part of one of the
// step's tasks here. What the job asked for is no such limit where the site does not see to it.
func (j Job) EnforcedMemory(groups Groups) Memory {
	bytes, from := groups.memoryLimit()
	return Memory{bytes / uint64(j.tasksHere()), from}
}

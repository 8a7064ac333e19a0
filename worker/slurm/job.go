package slurm

import (
	"fmt"
	"time"
)

// Job is the SLURM job of this process, from its variables. The zero value is a process outside SLURM.
type Job struct {
	// ID is SLURM_JOB_ID. Each task of an array has its own ID, but the ID of the last task equals Array.JobID. So
	// never use ID to name a task to the controller; use Ref.
	ID int64
	// Name is the job's name, User its owner, and Node SLURM's name of this node.
	Name, User, Node string
	// Nodes is the number of nodes of the job, at least 1.
	Nodes int
	// Restarts is how often the job was requeued. A requeued job keeps its ID.
	Restarts int

	Array Array
	Step  Step
	GPUs  GPUs

	// CPUsPerTask is --cpus-per-task; 0 if it was not requested. A step inherits the number of its batch script even if
	// srun gave it fewer CPUs.
	CPUsPerTask int
	// CPUsOnNode is the number of CPUs of the job on this node, or of the step inside a step; 0 if unknown.
	CPUsOnNode int
	// At most one of these is set, in MiB. MemoryPerNode is --mem. AllMemory is --mem=0: all memory of the node.
	MemoryPerNode, MemoryPerCPU, MemoryPerGPU int64
	AllMemory                                 bool

	// End is when the time limit ends the job; zero if there is no limit or it is unknown. It does not follow later
	// changes of the limit. EndFrom is the source: FromEndTime, FromController, or "".
	End     time.Time
	EndFrom string
}

// Sources of a Job's End. Newer versions of SLURM set SLURM_JOB_END_TIME; 22.05 does not.
const (
	FromEndTime    = "SLURM_JOB_END_TIME"
	FromController = "squeue"
)

// Array is the position in a job array (sbatch --array). The zero value is a job that is not a task of an array.
type Array struct {
	JobID int64 // job id of the whole array
	Task  int   // number of this task
	// Count is the number of tasks of this submission: 1 if one task of an earlier array was submitted again.
	Count int
	// Min, Max and Step describe the task numbers of this submission. They describe a range like 0-9:3 exactly, but not
	// a list with gaps: 1,5,9-20 has Min 1, Max 20, Step 1 and Count 14.
	Min, Max, Step int
	// Listed holds the numbers of all tasks in order, if Ask had to find them because Min, Max and Step do not describe
	// them.
	Listed []int
}

// Step is the position in a step (srun). The zero value is a process without srun, such as the batch script:
// SLURM_PROCID and SLURM_NTASKS are set there, too, but describe later steps.
type Step struct {
	In    bool  // true if srun started this process
	ID    int64 // 4294967290 is the shell of salloc at sites that run it as a step
	Rank  int   // SLURM_PROCID, from 0, across all nodes
	Tasks int   // number of tasks of the step, at least 1
	// LocalRank is the position among the tasks of this node, from 0; LocalTasks is their number; NodeRank is the
	// position of this node.
	LocalRank, LocalTasks, NodeRank int
	// Nodes is the number of nodes of the step, at least 1.
	Nodes int
}

// GPUs holds SLURM's variables about GPUs. Package gpu interprets them together with the driver.
type GPUs struct {
	// Job is SLURM_JOB_GPUS and Step is SLURM_STEP_GPUS, for example "0,2-3": GPU numbers of this node. A step started
	// by srun without sbatch has only the latter, and so do the steps of salloc.
	Job, Step string
	// OnNode is the number of GPUs of the job or step on this node, from SLURM_GPUS_ON_NODE; 0 if it has none.
	OnNode int
}

// Inside reports whether this process is part of a SLURM job.
func (j Job) Inside() bool { return j.ID != 0 }

// InArray reports whether the job is a task of an array.
func (j Job) InArray() bool { return j.Array.JobID != 0 }

// Parallel reports whether other processes run the same command: tasks of an array, or of a step with several tasks.
func (j Job) Parallel() bool { return j.InArray() || j.Step.Tasks > 1 }

// Ref returns the job's name for scontrol, squeue and scancel: "7", or "7_2" in an array. The task's own SLURM_JOB_ID
// is not usable: the last task has the array's id, and a request with that id reaches every task.
func (j Job) Ref() string {
	if j.InArray() {
		return fmt.Sprintf("%d_%d", j.Array.JobID, j.Array.Task)
	}
	return fmt.Sprint(j.ID)
}

// String describes the job in messages: "job 7_2, rank 3 of 4 of its step".
func (j Job) String() string {
	if !j.Inside() {
		return "no SLURM job"
	}
	s := "job " + j.Ref()
	if j.Step.Tasks > 1 {
		s += fmt.Sprintf(", rank %d of %d of its step", j.Step.Rank, j.Step.Tasks)
	}
	return s
}

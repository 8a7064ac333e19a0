package slurm

import (
	"fmt"
	"time"
)

// Job is what SLURM's variables say about this process. The zero value is a process outside of SLURM.
type Job struct {
	// ID is SLURM_JOB_ID. In an array each task has one of its own, but the last task's equals Array.JobID, so that
	// it must never be used to name a task to the controller: see the method Ref.
	ID int64
	// Name is the job's name, User its owner's name, and Node this node's name as SLURM knows it.
	Name, User, Node string
	// Nodes is the number of nodes of the job, from 1.
	Nodes int
	// Restarts is how often the job was requeued. It has then the same ID.
	Restarts int

	Array Array
	Step  Step
	GPUs  GPUs

	// CPUsPerTask is --cpus-per-task; 0 where it was not asked for. A step inherits the number of its batch script even
	// where srun gave it fewer CPUs.
	CPUsPerTask int
	// CPUsOnNode is the number of CPUs that the job has on this node, or of its step in a step; 0 if unknown.
	CPUsOnNode int
	// At most one of these is set, in MiB. MemoryPerNode is --mem. AllMemory is --mem=0: all that the node has.
	MemoryPerNode, MemoryPerCPU, MemoryPerGPU int64
	AllMemory                                 bool

	// End is when the time limit ends the job; the zero time where there is none, or none is known. It does not move
	// when somebody changes the limit later. EndFrom says where it is from: FromEndTime, FromController, or "".
	End     time.Time
	EndFrom string
}

// Where a Job's End is from. SLURM_JOB_END_TIME is set by newer versions; 22.05 does not set it.
const (
	FromEndTime    = "SLURM_JOB_END_TIME"
	FromController = "squeue"
)

// Array is the place in a job array (sbatch --array). The zero value is a job that is no array's task.
type Array struct {
	JobID int64 // the whole array's
	Task  int   // this task's number
	// Count is the number of tasks of this submission: 1 where one task of an earlier array is submitted again.
	Count int
	// Min, Max and Step describe the numbers of this submission. They tell the set of a range like 0-9:3, but not of a
	// list with gaps: 1,5,9-20 has Min 1, Max 20, Step 1 and Count 14.
	Min, Max, Step int
	// Listed are the numbers of all tasks, in order, where Min, Max and Step do not tell them and Ask has found them.
	Listed []int
}

// Step is the place in a step (srun). The zero value is a process that srun did not start, as the batch script itself:
// SLURM_PROCID and SLURM_NTASKS are set there too, but speak of steps to come.
type Step struct {
	In    bool  // srun started this process
	ID    int64 // 4294967290 is the shell of salloc where sites run it as a step
	Rank  int   // SLURM_PROCID, from 0, over all nodes
	Tasks int   // the tasks of the step, from 1
	// LocalRank counts the tasks of this node from 0, LocalTasks is their number, and NodeRank this node's place.
	LocalRank, LocalTasks, NodeRank int
	// Nodes is the number of the step's nodes, from 1.
	Nodes int
}

// GPUs are SLURM's words about GPUs. Package gpu decides with the driver's what they mean.
type GPUs struct {
	// Job is SLURM_JOB_GPUS and Step is SLURM_STEP_GPUS, as in "0,2-3": numbers of this node. A step that srun started
	// without sbatch has the second alone, and so have the steps of salloc.
	Job, Step string
	// OnNode is how many the job or step has here, by SLURM_GPUS_ON_NODE; 0 where it has none.
	OnNode int
}

// Inside tells whether this process is part of a SLURM job.
func (j Job) Inside() bool { return j.ID != 0 }

// InArray tells whether the job is a task of an array.
func (j Job) InArray() bool { return j.Array.JobID != 0 }

// Parallel tells whether other processes run the same command: the tasks of an array, or of a step of several tasks.
func (j Job) Parallel() bool { return j.InArray() || j.Step.Tasks > 1 }

// Ref names the job to scontrol, squeue and scancel: "7", or "7_2" in an array. The task's own SLURM_JOB_ID does not
// do: the last task has the array's, and a request for that one reaches every task.
func (j Job) Ref() string {
	if j.InArray() {
		return fmt.Sprintf("%d_%d", j.Array.JobID, j.Array.Task)
	}
	return fmt.Sprint(j.ID)
}

// String describes the place for messages: "job 7_2, rank 3 of 4 of its step".
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

package doctor

import (
	"context"
	"os/exec"
	"strings"
	"time"

	"fluxworker/batcher"
)

// The programs of SLURM that a run calls.
var slurmPrograms = []string{"squeue", "scontrol", "sbatch"}

// job checks SLURM's programs and the job around this process.
func (r *report) job(ctx context.Context, c Config) {
	const check = "SLURM"
	var missing []string
	for _, program := range slurmPrograms {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	switch {
	case len(missing) == len(slurmPrograms) && !c.Job.Inside():
		r.ok(check, "this machine has no SLURM, and this is no job")
		return
	case len(missing) > 0:
		r.warn(check, "add SLURM's programs to the PATH; without squeue a run knows the end of its job from SLURM_JOB_END_TIME alone, and --requeue needs scontrol",
			"not in the PATH: %s", strings.Join(missing, ", "))
	}
	if !c.Job.Inside() {
		r.ok(check, "this is no job, so it has no GPU, no memory limit and no end from SLURM; start doctor with srun or in the job script to check a job")
		return
	}
	job, err := c.Job.Ask(ctx)
	if err != nil {
		r.warn(check, "a run goes on with the variables of the environment; give it --deadline TIME if it must know its end", "the controller does not answer: %v", err)
	}
	switch left := time.Until(job.End); {
	case job.End.IsZero():
		r.ok(check, "%s, without a known end", job)
	case left < 0:
		r.warn(check, "give the run --deadline, or submit the job again", "%s should have ended at %s", job, job.End.Format(time.RFC3339))
	default:
		r.ok(check, "%s ends in %s, at %s (%s)", job, left.Round(time.Second), job.End.Format(time.RFC3339), job.EndFrom)
	}
	if job.Parallel() {
		r.warn(check, "give the run --shard auto (each task takes its part of the input), or --shard none (each task has an input of its own)", "%s, and every task runs the same command", job)
	}
}

const (
	// littleMemory is about what a small model, a server and fluxworker take of host memory, in bytes.
	littleMemory = 4 << 30
	// fewCPUs keep a GPU waiting: one CPU waits for the GPU by spinning, and one sends rows.
	fewCPUs = 2
)

// resources checks the CPUs and the host memory of this process.
func (r *report) resources(c Config) {
	switch n := c.Job.CPUs(); {
	case n < fewCPUs:
		r.warn("CPUs", "ask for --cpus-per-task=4 or more", "%d, on which the server and fluxworker wait for each other", n)
	default:
		r.ok("CPUs", "%d", n)
	}
	memory, enforced := c.Job.Memory(c.Groups), c.Job.EnforcedMemory(c.Groups)
	switch {
	case memory.Bytes == 0:
		r.ok("memory", "no limit is known")
	case memory.Bytes < littleMemory:
		r.warn("memory", "ask for more with --mem; `fluxworker plan --sbatch` prints how much the model needs", "%s (%s)", batcher.Size(int64(memory.Bytes)), memory.From)
	case enforced.Bytes > 0:
		r.ok("memory", "%s (%s); the kernel kills the job above %s", batcher.Size(int64(memory.Bytes)), memory.From, batcher.Size(int64(enforced.Bytes)))
	default:
		r.ok("memory", "%s (%s)", batcher.Size(int64(memory.Bytes)), memory.From)
	}
}

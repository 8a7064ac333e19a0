// Package slurm is the SLURM job around us: who we are in it, which part of the input is ours, when it ends, what it may
// use, and how it asks to run again.
//
// Where a comment names no other source, what it says was seen on a real cluster of version 22.05; the environments of
// testdata are from there, and a test records them again. Names of variables are those of sbatch(1) and srun(1).
//
// A caller reads the environment (FromEnviron) and has the controller complete it (Ask); all else is arithmetic on the
// Job, but for Requeue. What the controller is asked has a short limit: it may be down, and that says nothing about
// the job.
//
// A job that was submitted from inside of another (sbatch in a batch script, a chain of jobs) inherits the variables that
// SLURM does not set anew. It looks like a task of the other's array, or of its step. The step is told by its own
// variables; the array only by the controller, so that Ask corrects it and Requeue never goes by the environment alone.
package slurm

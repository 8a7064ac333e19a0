// Package slurm describes the SLURM job of this process: its identity, its part of the input, its end, its resources,
// and its requeue.
//
// Statements in comments without another source were observed on a real cluster of version 22.05. The environments in
// testdata come from there, and a test can record them again. Names of variables are those of sbatch(1) and srun(1).
//
// A caller reads the environment (FromEnviron) and lets the controller complete it (Ask). Everything else is arithmetic
// on the Job, except Requeue. Requests to the controller have a short limit: the controller may be down, and that says
// nothing about the job.
//
// A job that was submitted inside another job (sbatch in a batch script, a chain of jobs) inherits variables that SLURM
// does not set anew. It looks like a task of the other job's array or step. Its own variables reveal an inherited step,
// but only the controller reveals an inherited array. So Ask corrects the array, and Requeue never relies on the
// environment alone.
package slurm

// Package slurm is the SLURM job around us: who we are in it, which part of the input is ours, when it ends, what it may
// use, and how it asks to run again.
//
// Where a comment names no other source, what it says was seen on a real cluster of version 22.05; the environments of
// testdata are from there, and a test records them again. Names of variables are those of sbatch(1) and srun(1).
//
// Everything but Deadline, Requeue and AskSplit is arithmetic on the environment. Those three ask the controller, once,
// with a short limit: it may be down, and that says nothing about the job.
package slurm

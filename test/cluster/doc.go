// Package cluster runs jobs on a real SLURM cluster (test/slurm) with a real Ollama in them. "make slurm" installs SLURM.
package cluster

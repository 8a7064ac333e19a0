// Package e2e runs the built binary against real Ollama servers of both generations and a model whose right answers are
// known; some of it inside the jobs of a real SLURM cluster. "make engine" builds the servers, "make slurm" installs SLURM.
package e2e

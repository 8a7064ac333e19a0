package plan

import (
	"fluxworker/worker/ollama"
	"fluxworker/worker/slurm"
)

// Threads returns the number of threads that each of so many servers computes with on the CPU; 0 leaves it to the engine.
//
// Left alone, both generations take as many as the node has physical cores, whatever the job may use of them. Threads that
// wait for each other spin, so that with more of them than CPUs each token takes many times longer; on a GPU server, too,
// whose CPU has a small part in every token. A number that the model itself names counts for more.
func Threads(job slurm.Job, servers, cores int, info ollama.Info) int {
	share := max(1, job.CPUs()/max(1, servers))
	if info.Threads > 0 || cores > 0 && share >= cores {
		return 0
	}
	return share
}

package plan

import (
	"fluxworker/worker/ollama"
	"fluxworker/worker/slurm"
)

// Threads returns the number of CPU threads of each server, from the CPUs of the job, the number of servers and the physical
// cores of the node (0 where unknown); 0 leaves the number to the engine.
//
// By default, both generations take as many threads as the node has physical cores, even if the job may use fewer. Threads
// that wait for each other spin, so that with more threads than CPUs each token takes many times longer; also with a GPU,
// where the CPU has a small part in every token. A number in the model's own parameters takes precedence.
func Threads(job slurm.Job, servers, cores int, info ollama.Info) int {
	share := max(1, job.CPUs()/max(1, servers))
	if info.Threads > 0 || cores > 0 && share >= cores {
		return 0
	}
	return share
}

package main

const (
	forSbatch = "it belongs to sbatch, on the command line or as #SBATCH in the job script; \"fluxworker plan --sbatch\" prints one"
	notNeeded = "leave it off, fluxworker builds and keeps nothing"
)

// llmfluxFlags are the flags of llmflux that fluxworker does not have, with what to do instead.
var llmfluxFlags = map[string]string{
	"account": forSbatch, "partition": forSbatch, "nodes": forSbatch, "gpus-per-node": forSbatch, "time": forSbatch,
	"mem": forSbatch, "cpus-per-task": forSbatch, "sbatch-arg": forSbatch,
	"save-frequency":   "leave it off, fluxworker saves every answer at once",
	"engine":           "leave it off, Ollama is the engine",
	"vllm-engine-args": "leave it off, Ollama is the engine",
	"rebuild":          notNeeded,
	"debug":            notNeeded,
}

package main

import "github.com/spf13/pflag"

// llmfluxNames lets a flag be called as LLMFlux calls it.
func llmfluxNames(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if name == "custom-config-path" {
		name = "model-config"
	}
	return pflag.NormalizedName(name)
}

const (
	forSbatch = "it belongs to sbatch, on the command line or as #SBATCH in the job script; \"fluxworker plan --sbatch\" prints one"
	notNeeded = "leave it off, there is nothing to be built or kept"
)

// llmfluxFlags are the flags of llmflux that fluxworker does not have, with what to do instead.
var llmfluxFlags = map[string]string{
	"account": forSbatch, "partition": forSbatch, "nodes": forSbatch, "gpus-per-node": forSbatch, "time": forSbatch,
	"mem": forSbatch, "cpus-per-task": forSbatch, "sbatch-arg": forSbatch,
	"save-frequency":   "leave it off, every answer is saved as it comes",
	"engine":           "leave it off, Ollama is the engine",
	"vllm-engine-args": "leave it off, Ollama is the engine",
	"rebuild":          notNeeded,
	"debug":            notNeeded,
}

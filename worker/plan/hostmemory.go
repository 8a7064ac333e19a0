package plan

import (
	"fmt"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/slurm"
)

const (
	// ownBytes is the memory of this program itself, as a rule at most: rows that are with the servers, and 32 bytes for each
	// done row.
	ownBytes = 1 << 30
	gib      = 1 << 30
	mib      = 1 << 20
)

// MemoryError means that, on the CPU, the job's memory does not hold the model.
type MemoryError struct {
	Model string
	Need  int64 // bytes of weights and KV cache
	Limit slurm.Memory
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("%s does not fit the job's memory: on the CPU its weights and KV cache take %s, and the limit is %s (%s); ask SLURM for more (--mem), or take fewer slots (--slots) or a shorter --context",
		e.Model, batcher.Size(e.Need), batcher.Size(int64(e.Limit.Bytes)), e.Limit.From)
}

// MemoryToAskFor returns the host memory that a job should request, in bytes, a multiple of 1 GiB: the memory of the servers,
// the model's files once, so that no page of them must be read twice, and ownBytes.
func MemoryToAskFor(h batcher.Host) int64 {
	return (h.Unreclaimable() + h.Files + ownBytes + gib - 1) / gib * gib
}

// checkMemory compares the host memory of a plan with that of the job. A model on the CPU that needs more is a MemoryError.
// Everything else is a warning: the memory of a server's processes is an estimate.
func (p Planner) checkMemory(plan batcher.Plan) (warning string, _ error) {
	limit := int64(p.Memory.Bytes)
	if limit == 0 || plan.Host == (batcher.Host{}) {
		return "", nil
	}
	has := fmt.Sprintf("the job has %s of host memory (%s)", batcher.Size(limit), p.Memory.From)
	advice := fmt.Sprintf("--mem=%dG would do", MemoryToAskFor(plan.Host)/gib)
	switch {
	case p.Device == ollama.DeviceCPU && plan.Host.Model > limit:
		return "", &MemoryError{Model: p.Model.Name, Need: plan.Host.Model, Limit: p.Memory}
	case plan.Host.Unreclaimable() > limit:
		return fmt.Sprintf("%s, and the servers may take %s: the kernel may kill them; %s", has, batcher.Size(plan.Host.Unreclaimable()), advice), nil
	case plan.Host.Unreclaimable()+plan.Host.Files > limit:
		return fmt.Sprintf("%s, less than the model's files and the servers together (%s): loading may be slow, since pages have to be read again; %s",
			has, batcher.Size(plan.Host.Unreclaimable()+plan.Host.Files), advice), nil
	}
	return "", nil
}

// MaxFleetBytes returns the host memory, in bytes, above which the fleet restarts its largest server; 0 without an enforced
// limit. It is a twentieth below the limit, at least 256 MiB, at most a quarter: above the limit the kernel kills a process of
// its own choice, and SLURM may end the job.
func MaxFleetBytes(enforced slurm.Memory) int64 {
	limit := int64(enforced.Bytes)
	return limit - min(max(limit/20, 256*mib), limit/4)
}

// AnswerMemory returns the host memory for the answers in flight, in bytes: an eighth of the job's memory, from 256 MiB to
// 4 GiB. Without a limit of the job it is 1 GiB.
func AnswerMemory(job slurm.Memory) int64 {
	if job.Bytes == 0 {
		return gib
	}
	return int64(min(max(job.Bytes/8, 256*mib), 4*gib))
}

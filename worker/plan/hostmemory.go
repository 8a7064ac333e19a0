package plan

import (
	"fmt"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/slurm"
)

const (
	// ownBytes is what this program itself takes of the job's memory at most, as a rule: rows that are with the servers, and
	// 32 bytes for each row that is done.
	ownBytes = 1 << 30
	gib      = 1 << 30
	mib      = 1 << 20
)

// MemoryError is a model that the job's memory does not hold, on the CPU.
type MemoryError struct {
	Model string
	Need  int64 // bytes of weights and KV cache
	Limit slurm.Memory
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("%s does not fit the job's memory: on the CPU its weights and KV cache take %s, and the limit is %s (%s); ask SLURM for more (--mem), or take fewer slots (--slots) or a shorter --context",
		e.Model, batcher.Size(e.Need), batcher.Size(int64(e.Limit.Bytes)), e.Limit.From)
}

// MemoryToAskFor is the host memory that a job should ask for, in bytes, a multiple of 1 GiB: what the servers hold, the
// model's files once, so that no page of them has to be read twice, and what this program takes.
func MemoryToAskFor(h batcher.Host) int64 {
	return (h.Held() + h.Files + ownBytes + gib - 1) / gib * gib
}

// checkMemory compares what a plan needs of the host with what the job has. Where the GPUs hold the model it only warns: how
// much a server's processes take is an estimate.
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
	case plan.Host.Held() > limit:
		return fmt.Sprintf("%s, and the servers may take %s: the kernel may kill them; %s", has, batcher.Size(plan.Host.Held()), advice), nil
	case plan.Host.Held()+plan.Host.Files > limit:
		return fmt.Sprintf("%s, less than the model's files and the servers together (%s): loading may be slow, since pages have to be read again; %s",
			has, batcher.Size(plan.Host.Held()+plan.Host.Files), advice), nil
	}
	return "", nil
}

// MaxFleetBytes returns what all servers of a job may hold together before one is started anew, in bytes: a twentieth less than
// the limit that is enforced, at least 256 MiB less. Past the limit the kernel would kill a process of its own choice, and
// SLURM maybe the job. 0 where there is no limit.
func MaxFleetBytes(enforced slurm.Memory) int64 {
	limit := int64(enforced.Bytes)
	return limit - min(max(limit/20, 256*mib), limit/4)
}

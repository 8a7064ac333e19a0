package worker

import (
	"fmt"
	"sync"

	"fluxworker/batcher"
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
	return fmt.Sprintf("%s does not fit the job's memory: on the CPU its weights and KV cache take %s, and the limit is %s (%s); ask SLURM for more (--mem), or take fewer slots (--batch-size) or a shorter --context",
		e.Model, batcher.Size(e.Need), batcher.Size(int64(e.Limit.Bytes)), e.Limit.From)
}

// MemoryToAskFor is the host memory that a job should ask for, in bytes, a multiple of 1 GiB: what the servers hold, the
// model's files once, so that no page of them has to be read twice, and what this program takes.
func MemoryToAskFor(h batcher.Host) int64 {
	return (h.Held() + h.Files + ownBytes + gib - 1) / gib * gib
}

// checkMemory compares what a plan needs of the host with what the job has. Where the GPUs hold the model it only warns: how
// much a server's processes take is an estimate.
func (c Config) checkMemory(p batcher.Plan) (warning string, _ error) {
	limit := int64(c.Place.Memory.Bytes)
	if limit == 0 || p.Host == (batcher.Host{}) {
		return "", nil
	}
	has := fmt.Sprintf("the job has %s of host memory (%s)", batcher.Size(limit), c.Place.Memory.From)
	advice := fmt.Sprintf("--mem=%dG would do", MemoryToAskFor(p.Host)/gib)
	switch {
	case c.Wish.CPU && p.Host.Model > limit:
		return "", &MemoryError{Model: c.Model.Name, Need: p.Host.Model, Limit: c.Place.Memory}
	case p.Host.Held() > limit:
		return fmt.Sprintf("%s, and the servers may take %s: the kernel may kill them; %s", has, batcher.Size(p.Host.Held()), advice), nil
	case p.Host.Held()+p.Host.Files > limit:
		return fmt.Sprintf("%s, less than the model's files and the servers together (%s): loading may be slow, since pages have to be read again; %s",
			has, batcher.Size(p.Host.Held()+p.Host.Files), advice), nil
	}
	return "", nil
}

// MostForServers is what all servers of a job may hold together before one is started anew, in bytes: a twentieth less than
// the limit that is enforced, at least 256 MiB less. Past the limit the kernel would kill a process of its own choice, and
// SLURM maybe the job. 0 where there is no limit.
func MostForServers(enforced slurm.Memory) int64 {
	limit := int64(enforced.Bytes)
	return limit - min(max(limit/20, 256*mib), limit/4)
}

// ledger adds up what the servers of a run hold of the host's memory.
type ledger struct {
	mu   sync.Mutex
	held map[*member]int64
}

// note takes what one server holds, and tells what all do and whether it is the one that holds most.
func (l *ledger) note(m *member, bytes int64) (total int64, most bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(map[*member]int64)
	}
	l.held[m] = bytes
	most = true
	for _, n := range l.held {
		total += n
		most = most && n <= bytes
	}
	return total, most
}

// forget is for a server that has ended.
func (l *ledger) forget(m *member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, m)
}

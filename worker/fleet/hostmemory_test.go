package fleet

import (
	"strings"
	"testing"

	"fluxworker/worker/slurm"
)

// Where all servers together come near the job's limit, only the server that holds most is restarted.
func TestTheLargestServerIsRestarted(t *testing.T) {
	t.Parallel()
	f := &Fleet{config: Config{MaxFleetBytes: 1000 << 20, Enforced: slurm.Memory{Bytes: 1200 << 20, From: "memory.max"}}}
	small, large := watchdog{fleet: f, server: new(Server)}, watchdog{fleet: f, server: new(Server)}
	if err := small.tooLarge(300 << 20); err != nil {
		t.Errorf("within the limit: %v", err)
	}
	err := large.tooLarge(800 << 20)
	if err == nil || !strings.Contains(err.Error(), "1100 MiB") || !strings.Contains(err.Error(), "1200 MiB (memory.max)") {
		t.Errorf("past it the largest: %v, want the numbers", err)
	}
	if err := small.tooLarge(300 << 20); err != nil {
		t.Errorf("past it the other: %v", err)
	}
	f.memory.forget(large.server)
	if err := small.tooLarge(900 << 20); err != nil {
		t.Errorf("once the largest is gone: %v", err)
	}
}

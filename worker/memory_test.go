package worker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/slurm"
)

// A single server that holds more than the job's limit allows is restarted, and at last given up.
func TestAServerBeyondTheLimitIsGivenUp(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 20, "--fault", "hang")
	c.MaxRestarts, c.StallTimeout, c.MaxFleetBytes, c.Place.Enforced = 1, 80*time.Millisecond, 1, slurm.Memory{Bytes: 1 << 40, From: "a test"}
	_, err := runOnce(t, t.Context(), c, nil)
	var down *ollama.ServerError
	if !errors.As(err, &down) || !strings.Contains(err.Error(), "MiB (a test); --max-server-memory 0 turns this check off") {
		t.Errorf("a whole run: %v, want a ServerError that names the limit", err)
	}
}

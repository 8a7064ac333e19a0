package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"fluxworker/test/await"
	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
)

// A run whose server fails every row ends, also after the limiter has lowered the number of rows in flight.
func TestAServerThatFailsAllEndsTheRun(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 400)
	server := runningServer(t, "--fault", "500:1", "--fault-match", "x x")
	c.Server = fleet.Settings{URL: server.URL(), LoadTimeout: c.Server.LoadTimeout}
	c.MaxRetries, c.RetryDelay = 3, 100*time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	_, err := runOnce(t, ctx, c, nil)
	var down *ollama.ServerError
	if !errors.As(err, &down) || ctx.Err() != nil {
		t.Errorf("got %v, want a ServerError in time", err)
	}
}

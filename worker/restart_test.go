package worker

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/batcher"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
)

// bothWays runs a test with servers in namespaces of their own, where the kernel allows it, and without.
func bothWays(t *testing.T, test func(t *testing.T, isolate ollama.Isolation)) {
	for _, isolate := range []ollama.Isolation{ollama.IsolateAuto, ollama.IsolateNever} {
		t.Run("isolate "+string(isolate), func(t *testing.T) {
			t.Parallel()
			test(t, isolate)
		})
	}
}

// addRow appends a row to the input.
func addRow(t *testing.T, c Config, row string) {
	t.Helper()
	f, err := os.OpenFile(c.Input, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(row + "\n"); err != nil {
		t.Fatal(err)
	}
}

// A server that ends in the middle of a run is started again. No row is lost, and only the rows of this server are asked again.
func TestALostServerIsStartedAgain(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, isolate ollama.Isolation) {
		c, recordFile := config(t, 100, "--fault", "exit@60")
		c.Server.Isolate = isolate
		c.MaxRestarts = 3
		s, err := runOnce(t, t.Context(), c, nil)
		if err != nil || s.OK != 100 || s.Failed != 0 {
			t.Errorf("summary %+v, %v; want 100 rows", s, err)
		}
		if again := readRecord(t, recordFile).Requests - (100 - 60); again > batcher.InFlight(c.Request.Slots) {
			t.Errorf("the second server was asked %d rows of the first, want at most the rows in flight", again)
		}
	})
}

// A server that neither answers rows nor works is ended and started again, although its health check succeeds.
func TestAHangingServerIsStartedAgain(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, isolate ollama.Isolation) {
		c, _ := config(t, 60, "--fault", "hang-all@40")
		c.Server.Isolate = isolate
		c.MaxRestarts, c.StallTimeout = 3, 400*time.Millisecond
		s, err := runOnce(t, t.Context(), c, nil)
		if err != nil || s.OK != 60 {
			t.Errorf("summary %+v, %v; want 60 rows", s, err)
		}
	})
}

// A server that hangs and keeps a core busy, as with a hung GPU, is ended when a request times out.
func TestAServerThatWorksInVainIsStartedAgain(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, isolate ollama.Isolation) {
		c, _ := config(t, 60, "--fault", "spin-all@40")
		c.Server.Isolate = isolate
		c.MaxRestarts, c.StallTimeout, c.RequestTimeout = 3, 900*time.Millisecond, time.Second
		s, err := runOnce(t, t.Context(), c, nil)
		if err != nil || s.OK != 60 {
			t.Errorf("summary %+v, %v; want 60 rows", s, err)
		}
	})
}

// A server that takes too much memory is restarted. Its rows are not suspects.
func TestAServerThatGrowsIsStartedAnewAndGivenUp(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, isolate ollama.Isolation) {
		c, _ := config(t, 20, "--fault", "hang")
		c.Server.Isolate = isolate
		c.MaxRestarts, c.StallTimeout, c.MaxServerBytes = 3, 80*time.Millisecond, 1
		s, err := runOnce(t, t.Context(), c, nil)
		var down *ollama.ServerError
		if !errors.As(err, &down) || !strings.Contains(err.Error(), "--max-server-memory") || !strings.Contains(err.Error(), "started again 3 times") {
			t.Errorf("got %v, want a ServerError that names the limit", err)
		}
		if s.OK != 0 || s.Failed != 0 {
			t.Errorf("summary %+v; want no line", s)
		}
	})
}

// Rows that take the server down again and again get error lines, and every other row is answered. The deaths that these rows
// caused do not count against the server: there are more of them than MaxRestarts.
func TestAPoisonRowIsSetAside(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, isolate ollama.Isolation) {
		c, _ := config(t, 40, "--fault", "exit:1", "--fault-match", "poison")
		c.Server.Isolate = isolate
		for i := range 2 { // far apart, so that no death counts for both
			addRow(t, c, fmt.Sprintf(`{"custom_id":"poison%d","prompt":"poison x"}`, i))
			for range 20 {
				addRow(t, c, `{"prompt":"x x"}`)
			}
		}
		c.MaxRestarts = 4
		s, runErr := runOnce(t, t.Context(), c, nil)
		data, err := os.ReadFile(strings.TrimSuffix(c.Output, ".jsonl") + "-errors.jsonl")
		if runErr != nil || s.OK != 80 || s.Failed != 2 || !s.Complete {
			t.Fatalf("summary %+v, %v; want 80 rows and two failed\nerrors: %s", s, runErr, data)
		}
		if err != nil || !strings.Contains(string(data), `"custom_id":"poison1","response":null,"error":{"code":"poison_row","message":"the server died 3 times`) {
			t.Errorf("errors: %s, %v", data, err)
		}
	})
}

// A row in the pause before its retry holds no slot: other rows fill all slots. The server answers only with full slots.
func TestRetriesHoldNoSlot(t *testing.T) {
	t.Parallel()
	const rows = 30
	c, recordFile := config(t, 0, "--fault", "500:1", "--fault-match", "bad", "--hold", fmt.Sprint(batcher.InFlight(4)), "--hold-rows", fmt.Sprint(rows))
	for range c.Request.Slots {
		addRow(t, c, `{"prompt":"bad x"}`)
	}
	for range rows {
		addRow(t, c, `{"prompt":"x x"}`)
	}
	c.MaxRetries, c.RetryDelay, c.Grace = 100, 10*time.Second, 0 // a bad row that came back early would hold a slot
	counters := new(record.Counters)
	if _, err := Run(t.Context(), c, zerolog.Nop(), until(t, answered(counters, rows)), counters); !errors.Is(err, outcome.ErrStopped) {
		t.Fatal(err)
	}
	if r := readRecord(t, recordFile); r.Answered != rows || r.Faults["500"] < c.Request.Slots {
		t.Errorf("%d rows were answered and %d failed, want %d and at least %d", r.Answered, r.Faults["500"], rows, c.Request.Slots)
	}
}

// A model that vanishes during the run ends the run at once: neither a row nor the server is the cause.
func TestAModelThatVanishesEndsTheRun(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 100, "--fault", "404@30")
	s, err := runOnce(t, t.Context(), c, nil)
	if !errors.Is(err, ollama.ErrModelMissing) || s.Failed != 0 || s.Complete {
		t.Errorf("summary %+v, %v; want ErrModelMissing", s, err)
	}
}

package worker

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/slurm"
)

// failures counts the lines of the errors file.
func failures(t *testing.T, c Config) int {
	t.Helper()
	data, err := os.ReadFile(strings.TrimSuffix(c.Output, ".jsonl") + "-errors.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(data, []byte("\n"))
}

// A run that refuses its settings drops no failure.
func TestRefusedRunDropsNoFailures(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 3)
	addRow(t, c, `{"custom_id":"bad","prompt":5}`)
	if _, err := runOnce(t, t.Context(), c, nil); err != nil || failures(t, c) != 1 {
		t.Fatalf("%d failures, %v; want one", failures(t, c), err)
	}
	c.Results.RetryFailed, c.Defaults.Sampling.MaxTokens = true, 11
	var refused *outcome.ConfigError
	if _, err := runOnce(t, t.Context(), c, nil); !errors.As(err, &refused) || failures(t, c) != 1 {
		t.Errorf("%v, and %d failures are left; want a ConfigError and one failure", err, failures(t, c))
	}
}

// A failed row that the user corrected is asked again, although its key has changed.
func TestCorrectedRowIsAskedAgain(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 3)
	addRow(t, c, `{"custom_id":"bad","prompt":5}`)
	if _, err := runOnce(t, t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(c.Input)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.Input, bytes.ReplaceAll(data, []byte(`"prompt":5`), []byte(`"prompt":"x x"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Results.RetryFailed = true
	if s, err := runOnce(t, t.Context(), c, nil); err != nil || s.OK != 1 || failures(t, c) != 0 {
		t.Errorf("summary %+v, %v; want the corrected row", s, err)
	}
}

// A SLURM job that is started again with the same command does not ask its failures again each time.
func TestRequeuedJobRetriesNoFailures(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 3)
	addRow(t, c, `{"custom_id":"bad","prompt":5}`)
	c.Results.RetryFailed = true
	for restart, want := range []int64{1, 0} {
		c.Place.Job = slurm.Job{ID: 7, Restarts: restart, EndFrom: slurm.FromEndTime}
		if s, err := runOnce(t, t.Context(), c, nil); err != nil || s.Failed != want {
			t.Errorf("start %d: summary %+v, %v; want %d failures", restart, s, err, want)
		}
	}
}

// A split of a small input has shards without rows. These shards are complete, and so is the output.
func TestShardWithoutRows(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 2)
	for i := range 4 {
		c.Place.Shard = slurm.Choice{Index: i, Count: 4}
		if s, err := runOnce(t, t.Context(), c, nil); err != nil || !s.Complete {
			t.Errorf("shard %d: %+v, %v", i, s, err)
		}
	}
	if s := statusOf(t, c.Output); !s.Complete || s.Total.OK != 2 || s.Total.Rows != 2 {
		t.Errorf("status %+v", s)
	}
}

// A run that a signal ends returns ErrStopped, also after a server left a row undone.
func TestSignalAfterAnUndoneRow(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 400, "--fault", "500:1", "--fault-match", "poison")
	data, err := os.ReadFile(c.Input)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.Input, append([]byte(`{"custom_id":"poison","prompt":"poison x"}`+"\n"), data...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := stopAfter(t, c, 150); !errors.Is(err, outcome.ErrStopped) {
		t.Errorf("got %v, want ErrStopped", err)
	}
}

// A signal before the restart of a server makes no suspect a failed row: a suspect that was never asked alone stays undone.
func TestSuspectStaysUndoneAfterASignal(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 40, "--fault", "exit:1", "--fault-match", "poison", "--delay", "300ms")
	addRow(t, c, `{"custom_id":"poison","prompt":"poison x"}`)
	c.MaxRestarts, c.MaxRetries = 10, 5
	drain := make(chan struct{})
	log := &onLine{text: "server lost; starting it again", n: 2, do: func() { close(drain) }}
	_, err := Run(t.Context(), c, zerolog.New(log), drain, new(record.Counters))
	if !errors.Is(err, outcome.ErrStopped) || failures(t, c) != 0 {
		t.Errorf("%v, and %d rows failed; want outcome.ErrStopped and no failed row", err, failures(t, c))
	}
}

// After a run with --overwrite that was stopped, the same command goes on with the lines of the stopped run, as its last message
// says. Other settings, or a run that came to its end, start anew.
func TestOverwriteGoesOn(t *testing.T) {
	t.Parallel()
	c, _ := config(t, 60)
	if s, err := runOnce(t, t.Context(), c, nil); err != nil || s.OK != 60 {
		t.Fatalf("the first run: %+v, %v", s, err)
	}
	c.Results.Overwrite = true
	stopped := func(want int64, c Config) {
		t.Helper()
		s, err := stopAfter(t, c, 10)
		if !errors.Is(err, outcome.ErrStopped) || s.Skipped != want {
			t.Fatalf("stopped run: %+v, %v; want %d rows done before", s, err, want)
		}
	}
	stopped(0, c) // drops the lines of the complete run
	earlier := int64(len(linesOf(t, c.Output)))
	stopped(earlier, c)
	other := c
	other.Defaults.Sampling.MaxTokens++
	stopped(0, other)
	earlier = int64(len(linesOf(t, c.Output)))
	s, err := runOnce(t, t.Context(), other, nil)
	if err != nil || s.Skipped != earlier || s.OK != 60-earlier {
		t.Errorf("the same command: %+v, %v; want %d rows done before", s, err, earlier)
	}
	if s, err = runOnce(t, t.Context(), other, nil); err != nil || s.Skipped != 0 || s.OK != 60 {
		t.Errorf("after the end: %+v, %v; want all rows anew", s, err)
	}
}

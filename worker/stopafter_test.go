package worker

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/record"
)

// onLine is a log that calls do when a line contains the text for the nth time; 0 means the first time. The run that logs
// waits for do.
type onLine struct {
	text string
	n    int
	do   func()

	mu   sync.Mutex
	seen int
}

// Write checks a line.
func (o *onLine) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if bytes.Contains(line, []byte(o.text)) {
		if o.seen++; o.seen == max(1, o.n) {
			o.do()
		}
	}
	return len(line), nil
}

// limitAnswers makes each of the run's servers answer only a limited number of rows while a file exists. It adds the flag to
// the command and returns the path of the file, which setLimit writes.
func limitAnswers(t *testing.T, c *Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "limit")
	c.Server.Command = append(c.Server.Command[:len(c.Server.Command):len(c.Server.Command)], "--pass", path)
	return path
}

// setLimit sets the number of rows that each server answers; see limitAnswers.
func setLimit(t *testing.T, path string, rows int64) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strconv.FormatInt(rows, 10)), 0o600); err != nil {
		t.Error(err)
	}
}

// stopAfter runs until so many rows are answered, and then sends the first signal. On a machine of any speed, the run is in
// the middle of its rows then: the server answers the other rows only after the run has noticed the signal.
func stopAfter(t *testing.T, c Config, rows int64) (record.Summary, error) {
	t.Helper()
	return stopAfterAsking(t, c, rows, rows)
}

// stopAfterAsking is stopAfter with a higher limit for the servers, because some of the asked rows are too long and get no
// answer.
func stopAfterAsking(t *testing.T, c Config, rows, asked int64) (record.Summary, error) {
	t.Helper()
	limit := limitAnswers(t, &c)
	setLimit(t, limit, asked)
	counters := new(record.Counters)
	log := &onLine{text: "no new rows", do: func() { os.Remove(limit) }}
	return Run(t.Context(), c, zerolog.New(log), until(t, answered(counters, rows)), counters)
}

// answered returns a condition: the run has so many answers.
func answered(counters *record.Counters, rows int64) func() bool {
	return func() bool { return counters.Progress().OK >= rows }
}

// heldBack returns a condition: the servers of the run hold so many requests back; see limitAnswers.
func heldBack(limit string, requests int) func() bool {
	return func() bool {
		held, err := os.Stat(limit + ".held")
		return err == nil && held.Size() >= int64(requests)
	}
}

// until returns a channel that is closed when the condition holds.
func until(t *testing.T, holds func() bool) <-chan struct{} {
	reached, over := make(chan struct{}), make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for !holds() {
			select {
			case <-tick.C:
			case <-over:
				return
			}
		}
		close(reached)
	})
	t.Cleanup(func() { close(over); watching.Wait() })
	return reached
}

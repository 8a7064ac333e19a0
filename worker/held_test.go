package worker

import (
	"bytes"
	"fluxworker/worker/record"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// onLine is a log that does something when a line holds some text for the nth time; 0 is the first time. The run that logs
// goes on only afterwards.
type onLine struct {
	text string
	n    int
	do   func()

	mu   sync.Mutex
	seen int
}

// Write looks at a line.
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

// passFile lets a run's servers answer so many rows each while the file is there. It adds the flag to the command; the file
// is made by letPass.
func passFile(t *testing.T, c *Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pass")
	c.Server.Command = append(c.Server.Command[:len(c.Server.Command):len(c.Server.Command)], "--pass", path)
	return path
}

func letPass(t *testing.T, path string, rows int64) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strconv.FormatInt(rows, 10)), 0o600); err != nil {
		t.Error(err)
	}
}

// stopAfter runs until so many rows are answered, and ends the run there by the first signal. However fast the machine is, the
// run is in the middle of its rows then: the server answers the others only when the run has heeded the signal.
func stopAfter(t *testing.T, c Config, rows int64) (record.Summary, error) {
	t.Helper()
	return stopAfterAsking(t, c, rows, rows)
}

// stopAfterAsking is stopAfter where not every row that the server passes is answered: some turn out to be too long.
func stopAfterAsking(t *testing.T, c Config, rows, asked int64) (record.Summary, error) {
	t.Helper()
	pass := passFile(t, &c)
	letPass(t, pass, asked)
	counts := new(record.Counters)
	log := &onLine{text: "no new rows", do: func() { os.Remove(pass) }}
	return Run(t.Context(), c, zerolog.New(log), until(t, answered(counts, rows)), counts)
}

// answered reports whether the run has so many answers.
func answered(counts *record.Counters, rows int64) func() bool {
	return func() bool { return counts.Progress().OK >= rows }
}

// heldBack reports whether the servers of the run hold so many requests back (passFile).
func heldBack(pass string, requests int) func() bool {
	return func() bool {
		held, err := os.Stat(pass + ".held")
		return err == nil && held.Size() >= int64(requests)
	}
}

// until closes the returned channel when the condition holds.
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

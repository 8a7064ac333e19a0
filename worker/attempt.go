package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fluxworker/worker/result"
)

// noteEvery is how much of what an attempt did its file may lack when it is killed.
const noteEvery = 30 * time.Second

// attempt is one start of a run into an output; attempts/<n>.json holds it, from the start on, so that one that was killed
// leaves a trace.
type attempt struct {
	Number   int      `json:"attempt"`
	Version  string   `json:"fluxworker_version"`
	Host     string   `json:"host"`
	PID      int      `json:"pid"`
	Job      string   `json:"job,omitempty"`
	Restart  int      `json:"restart"`
	Requests requests `json:"requests"`
	// Outcome is running, complete, or the error that ended it. Where it says running and the lock is free, it was killed.
	Outcome string `json:"outcome"`
	// Rows is how many rows of the input are this run's; 0 where that is not known. It is Estimated from the bytes that the
	// rows so far took until the input has been read to its end.
	Rows      int64   `json:"rows_total"`
	Estimated bool    `json:"rows_total_estimated,omitempty"`
	Summary   Summary `json:"summary"`
}

const (
	outcomeRunning  = "running"
	outcomeComplete = "complete"
)

// attempt runs the rows and keeps the records of it: this attempt's own, and the summary over all.
func (r *run) attempt(started time.Time, answer func() error) (Summary, error) {
	earlier, err := readAttempts(r.paths)
	if err != nil {
		r.output.Close()
		return Summary{}, err
	}
	a := attempt{
		Number: 1, Version: r.Version, Host: r.manifest.Host, PID: os.Getpid(), Job: r.Place.name(), Restart: r.Place.Job.Restarts,
		Requests: r.manifest.Requests, Outcome: outcomeRunning, Summary: Summary{Started: started.UTC()},
	}
	if n := len(earlier); n > 0 {
		a.Number = earlier[n-1].Number + 1
	}
	if err := a.write(r.paths); err != nil {
		r.output.Close()
		return Summary{}, err
	}
	stopNoting := r.noteProgress(a, started)
	err = answer()
	stopNoting()
	// The log's own error is the cause where both failed: its writer ended first.
	if closeErr := r.output.Close(); closeErr != nil {
		err = closeErr
	}
	s := r.summary(started)
	s.GPUs = r.gpuUse
	if err == nil && s.Rows() == 0 && r.inputRows.Load() == 0 { // a shard of a small input may have none
		err = emptyInput(r.Input)
	}
	s.Complete = err == nil
	a.Summary, a.Outcome = s, outcomeComplete
	a.count(r.counts)
	if err != nil {
		a.Outcome, _, _ = strings.Cut(err.Error(), "\n") // the end of a server's log is in the file beside it
	}
	if errors.Is(err, ErrStopped) && r.Results.Overwrite {
		r.log.Warn().Msg("leave --overwrite off to go on: with it, the next run drops what is answered now")
	}
	s.Total = r.total(earlier, s)
	return s, errors.Join(err, r.writeRecords(a, s, err))
}

// amendOutcome writes into the attempt's record that its document is not there, so that nobody takes the output for
// finished. Where it cannot, the run says so all the same: its error is the news.
func (r *run) amendOutcome(err error) {
	attempts, readErr := readAttempts(r.paths)
	if readErr != nil || len(attempts) == 0 {
		return
	}
	a := attempts[len(attempts)-1]
	a.Outcome, _, _ = strings.Cut(err.Error(), "\n")
	if writeErr := a.write(r.paths); writeErr != nil {
		r.log.Warn().Err(writeErr).Msg("the attempt's record is not amended")
	}
}

// writeRecords writes what is known at the end. An output that another run has taken over is not ours to write to.
func (r *run) writeRecords(a attempt, s Summary, err error) error {
	if errors.Is(err, result.ErrHeld) {
		return nil
	}
	writeErr := a.write(r.paths)
	if writeErr == nil {
		writeErr = r.paths.WriteJSON("summary.json", s)
	}
	if err != nil {
		return nil // that is the news
	}
	return writeErr
}

// total sums up all attempts. How many lines there are is what the files say.
func (r *run) total(earlier []attempt, s Summary) *Total {
	t := new(Total)
	for _, a := range earlier {
		t.add(a.Summary)
	}
	t.add(s)
	answered, failed := r.done.Lines()
	t.OK, t.Failed = answered+s.OK, failed+s.Failed
	return t
}

// noteProgress writes now and then how far the attempt is. The returned function ends that and waits for it.
func (r *run) noteProgress(a attempt, started time.Time) (stop func()) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(noteEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				a.Summary = r.summary(started)
				a.count(r.counts)
				if err := a.write(r.paths); err != nil {
					r.log.Debug().Err(err).Msg("the attempt's record could not be written") // the end says so again
				}
			case <-stopped:
				return
			}
		}
	}()
	return func() { close(stopped); <-ended }
}

// count notes how many rows there are, as far as that is known.
func (a *attempt) count(c *Counts) {
	exact := c.allRead.Load()
	a.Rows = c.total()
	a.Estimated = !exact && a.Rows > 0
}

const attemptsDir = "attempts"

func (a attempt) write(paths result.Paths) error {
	return paths.WriteJSON(filepath.Join(attemptsDir, fmt.Sprintf("%04d.json", a.Number)), a)
}

// readAttempts reads the records of earlier attempts, in their order. One that is unreadable counts for its number alone.
func readAttempts(paths result.Paths) ([]attempt, error) {
	files, err := os.ReadDir(paths.In(attemptsDir)) // sorted by name
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	var all []attempt
	for _, f := range files {
		number, err := strconv.Atoi(strings.TrimSuffix(f.Name(), ".json"))
		if err != nil {
			continue
		}
		data, err := os.ReadFile(filepath.Join(paths.In(attemptsDir), f.Name()))
		if err != nil {
			return nil, fmt.Errorf("read attempts: %w", err)
		}
		var a attempt
		if json.Unmarshal(data, &a) != nil {
			a = attempt{}
		}
		a.Number = number
		all = append(all, a)
	}
	return all, nil
}

// lastAttempt is zero where there was none.
func lastAttempt(paths result.Paths) (attempt, error) {
	all, err := readAttempts(paths)
	if err != nil || len(all) == 0 {
		return attempt{}, err
	}
	return all[len(all)-1], nil
}

// forget removes the records of earlier runs, whose lines are gone.
func forget(paths result.Paths) error {
	for _, name := range []string{attemptsDir, "manifest.json", "summary.json"} {
		if err := os.RemoveAll(paths.In(name)); err != nil {
			return &result.WriteError{Path: paths.In(name), Err: err}
		}
	}
	return nil
}

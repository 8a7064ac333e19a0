package record

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

// ProgressEvery is how much of what an attempt did its file may lack when it is killed.
const ProgressEvery = 30 * time.Second

// Attempt is one start of a run into an output. attempts/<n>.json holds it from the start on, so that an attempt that was
// killed leaves a trace.
type Attempt struct {
	Number   int      `json:"attempt"`
	Version  string   `json:"fluxworker_version"`
	Host     string   `json:"host"`
	PID      int      `json:"pid"`
	Job      string   `json:"job,omitempty"`
	Restart  int      `json:"restart"`
	Requests Requests `json:"requests"`
	// Outcome is Running, Complete, or the error that ended the attempt. Running under a free lock means that it was killed.
	Outcome string `json:"outcome"`
	// Rows is how many rows of the input are this run's; 0 where that is not known. It is Estimated from the bytes that the
	// rows so far took until the input has been read to its end.
	Rows      int64   `json:"rows_total"`
	Estimated bool    `json:"rows_total_estimated,omitempty"`
	Summary   Summary `json:"summary"`
}

// The outcomes that are no errors.
const (
	Running  = "running"
	Complete = "complete"
)

// The names of the records in the run folder.
const (
	attemptsDir  = "attempts"
	manifestFile = "manifest.json"
	SummaryFile  = "summary.json"
)

// Begin writes the record of an attempt that begins, with the number after the last of the earlier ones.
func Begin(paths result.Paths, earlier []Attempt, m Manifest, job string, restart int) (Attempt, error) {
	a := Attempt{
		Number: 1, Version: m.Version, Host: m.Host, PID: os.Getpid(), Job: job, Restart: restart,
		Requests: m.Requests, Outcome: Running, Summary: Summary{Started: m.Started},
	}
	if n := len(earlier); n > 0 {
		a.Number = earlier[n-1].Number + 1
	}
	return a, a.Write(paths)
}

// End gives the attempt its outcome: Complete, or the first line of an error. The rest of an error is the end of a server's log,
// which lies beside it.
func (a *Attempt) End(err error) {
	a.Outcome = Complete
	if err != nil {
		a.Outcome, _, _ = strings.Cut(err.Error(), "\n")
	}
}

// Count takes in how many rows there are, as far as that is known.
func (a *Attempt) Count(c *Counters) {
	exact := c.allRead.Load()
	a.Rows = c.total()
	a.Estimated = !exact && a.Rows > 0
}

// Write writes the record. Errors: result.WriteError.
func (a Attempt) Write(paths result.Paths) error {
	return paths.WriteJSON(filepath.Join(attemptsDir, fmt.Sprintf("%04d.json", a.Number)), a)
}

// ReadAttempts reads the records of all attempts, in their order. An unreadable record counts for its number alone.
func ReadAttempts(paths result.Paths) ([]Attempt, error) {
	files, err := os.ReadDir(paths.In(attemptsDir)) // sorted by name
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	var all []Attempt
	for _, f := range files {
		number, err := strconv.Atoi(strings.TrimSuffix(f.Name(), ".json"))
		if err != nil {
			continue
		}
		data, err := os.ReadFile(filepath.Join(paths.In(attemptsDir), f.Name()))
		if err != nil {
			return nil, fmt.Errorf("read attempts: %w", err)
		}
		var a Attempt
		if json.Unmarshal(data, &a) != nil {
			a = Attempt{}
		}
		a.Number = number
		all = append(all, a)
	}
	return all, nil
}

// LastAttempt returns the last attempt; zero where there was no attempt.
func LastAttempt(paths result.Paths) (Attempt, error) {
	all, err := ReadAttempts(paths)
	if err != nil || len(all) == 0 {
		return Attempt{}, err
	}
	return all[len(all)-1], nil
}

// Forget removes the records of earlier attempts, whose lines are gone.
func Forget(paths result.Paths) error {
	for _, name := range []string{attemptsDir, manifestFile, SummaryFile} {
		if err := os.RemoveAll(paths.In(name)); err != nil {
			return &result.WriteError{Path: paths.In(name), Err: err}
		}
	}
	return nil
}

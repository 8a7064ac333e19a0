package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fluxworker/worker/result"
	"fluxworker/worker/safeopen"
)

// ProgressEvery is the time between two writes of a running attempt's file.
const ProgressEvery = 30 * time.Second

// Attempt is one start of a run into an output. The run writes attempts/<n>.json at its start, so that a killed attempt
// leaves a record.
type Attempt struct {
	Number   int      `json:"attempt"` // from 1
	Version  string   `json:"fluxworker_version"`
	Host     string   `json:"host"`
	PID      int      `json:"pid"`
	Job      string   `json:"job,omitempty"` // the SLURM task; "" outside of SLURM
	Restart  int      `json:"restart"`       // restarts of the job by SLURM so far
	Requests Requests `json:"requests"`
	// Overwrite is true if the run had --overwrite.
	Overwrite bool `json:"overwrite,omitempty"`
	// Ends is the time at which the last row must have its line: the end of the job, less the grace. It is zero without a deadline.
	Ends time.Time `json:"ends,omitzero"`
	// Outcome is Running, Complete, or the error that ended the attempt. Running with a free lock means that the attempt was
	// killed.
	Outcome string `json:"outcome"`
	// Rows is the number of rows of this run's part of the input; 0 where it is not known. Until the end of the input is read,
	// it is Estimated, from the number of bytes of the rows so far.
	Rows      int64   `json:"rows_total"`
	Estimated bool    `json:"rows_total_estimated,omitempty"`
	Summary   Summary `json:"summary"` // so far

	damaged string // name in the run folder of a record that cannot be understood
}

// The outcomes other than an error.
const (
	Running  = "running"
	Complete = "complete"
)

// The names of the records in the run folder.
const (
	attemptsDir  = "attempts"
	manifestFile = "manifest.json"
	SummaryFile  = "summary.json" // holds a Summary
)

// Begin writes the record of a new attempt, with the number after the last earlier attempt. a holds Job, Restart, Overwrite and Ends.
// Errors: result.WriteError.
func Begin(paths result.Paths, earlier []Attempt, m Manifest, a Attempt) (Attempt, error) {
	a.Number, a.PID, a.Version, a.Host, a.Requests = 1, os.Getpid(), m.Version, m.Host, m.Requests
	a.Outcome, a.Summary = Running, Summary{Started: m.Started}
	if n := len(earlier); n > 0 {
		a.Number = earlier[n-1].Number + 1
	}
	safeopen.RemoveAllDrafts(paths.In(attemptsDir)) // left by kills
	return a, a.Write(paths)
}

// Tried is the outcome of a run that has asked the rows of a trial, and left the others.
const Tried = "the rows of --limit or --sample are asked; the same command without the flag goes on with the others"

// End sets the outcome: Complete, Tried, or the first line of the error. The other lines of an error are the end of a server's log,
// which is in the run folder.
func (a *Attempt) End(err error) {
	switch {
	case err != nil:
		a.Outcome, _, _ = strings.Cut(err.Error(), "\n")
	case !a.Summary.Complete:
		a.Outcome = Tried
	default:
		a.Outcome = Complete
	}
}

// Count sets the number of rows, as far as it is known.
func (a *Attempt) Count(c *Counters) {
	exact := c.allRead.Load()
	a.Rows = c.total() + c.unselected.Load()
	a.Estimated = !exact && a.Rows > 0
}

// Write writes the record. Errors: result.WriteError.
func (a Attempt) Write(paths result.Paths) error {
	return paths.WriteJSON(a.file(), a)
}

// file returns the name of the record in the run folder.
func (a Attempt) file() string { return filepath.Join(attemptsDir, fmt.Sprintf("%04d.json", a.Number)) }

// ReadAttempts reads the records of all attempts, in their order. A damaged record gives an Attempt with only a Number. Error:
// result.RecordError.
func ReadAttempts(paths result.Paths) ([]Attempt, error) {
	files, err := os.ReadDir(paths.In(attemptsDir)) // sorted by name
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &result.RecordError{Path: paths.In(attemptsDir), Err: err}
	}
	var all []Attempt
	for _, f := range files {
		number, err := strconv.Atoi(strings.TrimSuffix(f.Name(), ".json"))
		if err != nil {
			continue
		}
		var a Attempt
		name := filepath.Join(attemptsDir, f.Name())
		err = paths.ReadJSON(name, &a)
		if unreadable, ok := errors.AsType[*result.RecordError](err); ok && unreadable.Damaged {
			a, err = Attempt{damaged: name}, nil
		}
		if err != nil {
			return nil, err
		}
		a.Number = number
		all = append(all, a)
	}
	return all, nil
}

// TakeAttempts is ReadAttempts for the holder of the output: it leaves out damaged records and renames them. aside has their
// new paths. Errors: result.RecordError, result.WriteError.
func TakeAttempts(paths result.Paths) (whole []Attempt, aside []string, _ error) {
	all, err := ReadAttempts(paths)
	if err != nil {
		return nil, nil, err
	}
	for _, a := range all {
		if a.damaged == "" {
			whole = append(whole, a)
			continue
		}
		path, err := paths.SetAside(a.damaged)
		if err != nil {
			return nil, nil, err
		}
		aside = append(aside, path)
	}
	return whole, aside, nil
}

// Recorded returns the largest number of answers that an attempt saw in the results.
func Recorded(all []Attempt) (answers int64) {
	for _, a := range all {
		answers = max(answers, a.Summary.OK)
		if a.Summary.Total != nil {
			answers = max(answers, a.Summary.Total.OK)
		}
	}
	return answers
}

// LastAttempt returns the last attempt; the zero Attempt before the first.
func LastAttempt(paths result.Paths) (Attempt, error) {
	all, err := ReadAttempts(paths)
	if err != nil || len(all) == 0 {
		return Attempt{}, err
	}
	return all[len(all)-1], nil
}

// Forget removes the records of earlier attempts, after their lines were dropped. Errors: result.WriteError.
func Forget(paths result.Paths) error {
	for _, name := range []string{attemptsDir, manifestFile, SummaryFile, SeriesFile} {
		if err := os.RemoveAll(paths.In(name)); err != nil {
			return &result.WriteError{Path: paths.In(name), Err: err}
		}
	}
	return nil
}

package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"fluxworker/batcher"
	"fluxworker/worker/input"
	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

const (
	// startTime is what a run needs besides rows and loading: the scan of the output, a look at the model, the search for
	// GPUs, the end. It takes seconds on most machines and minutes on some.
	startTime = 3 * time.Minute
	// loadRate is how fast a model's files come, in bytes a second: what a busy shared file system gives.
	loadRate = 200e6
	// taskTime is how long a task of an array should take: short enough to be scheduled soon, long against its start.
	taskTime = 8 * time.Hour
	// timeStep is what a time limit is rounded up to.
	timeStep = 10 * time.Minute
	// cpuThreads is for a model on the CPU, where more are better, but not to be had everywhere.
	cpuThreads = 8
)

// JobSize is what a job should ask SLURM for.
type JobSize struct {
	GPUs   int   // 0 on the CPU
	CPUs   int   // two for this program, and two for each server, of which one waits for its GPU by spinning
	Memory int64 // bytes, see MemoryToAskFor
	// Time is how long a task takes: the start, its rows, and a fifth on top, rounded up to ten minutes. 0 without a rate.
	Time  time.Duration
	Tasks int   // of an array; 1 without one
	Rows  int64 // that are to be asked, by all tasks together
	Start time.Duration
}

// SizeJob returns what a job should ask for, from the plan. Rate is how many rows a task answers in a second, 0 where that is not known; an array
// gets as many tasks as it takes to be done with each in some hours.
func SizeJob(p batcher.Plan, rows int64, rate float64, array bool) JobSize {
	gpus := make(map[string]bool)
	for _, s := range p.Servers {
		for _, d := range s.Devices {
			gpus[d.UUID] = true
		}
	}
	s := JobSize{GPUs: len(gpus), CPUs: 2 + 2*len(p.Servers), Memory: MemoryToAskFor(p.Host), Tasks: 1, Rows: rows}
	if len(gpus) == 0 {
		s.CPUs = cpuThreads
	}
	s.Start = startTime + time.Duration(float64(max(p.Host.Files, p.Host.Model))/loadRate*float64(time.Second))
	if rate <= 0 {
		return s
	}
	seconds := float64(rows) / rate
	if array {
		s.Tasks = max(2, int(min(seconds/taskTime.Seconds(), 1000))+1)
	}
	need := min((seconds/float64(s.Tasks)+s.Start.Seconds())*1.2, (10000 * time.Hour).Seconds())
	s.Time = (time.Duration(need*float64(time.Second)) + timeStep - 1).Truncate(timeStep)
	return s
}

// Left counts the rows of an input, or of one shard of it, that have no line in the output yet. It goes by their number alone: lines
// of rows that are not in the input any more would count, too. overwrite counts no line. Errors: InputError, ConfigError.
func Left(in input.Input, shard result.Shard, output string, overwrite bool) (left, all int64, _ error) {
	source, rows, err := in.OpenNames(shard)
	if err != nil {
		return 0, 0, err
	}
	defer source.Close()
	for ; ; all++ {
		if _, err := rows.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, 0, &outcome.InputError{Err: err}
		}
	}
	if all == 0 {
		return 0, 0, outcome.EmptyInput(in.Path)
	}
	if overwrite {
		return all, all, nil
	}
	parts, err := result.Parts(output)
	if errors.Is(err, result.ErrNoOutput) {
		return all, all, nil
	}
	if err != nil {
		return 0, 0, outcome.OfParts(err)
	}
	done := int64(0)
	for _, p := range parts {
		if shard.Count > 1 && p.Shard != shard {
			continue
		}
		answered, failed, err := p.Paths.Lines()
		if err != nil {
			return 0, 0, &outcome.InputError{Err: err}
		}
		done += answered + failed
	}
	return max(0, all-done), all, nil
}

// EarlierRate returns how many rows a second the runs into an output have brought to their lines, each for itself, and where that
// is written; 0 where no run has come to its end there.
func EarlierRate(output string) (rate float64, from string) {
	parts, err := result.Parts(output)
	if err != nil {
		return 0, ""
	}
	rows, seconds := int64(0), 0.0
	for _, p := range parts {
		path := p.Paths.In(record.SummaryFile)
		data, err := os.ReadFile(path)
		var s record.Summary
		if err != nil || json.Unmarshal(data, &s) != nil || s.Total == nil || s.Total.AskSeconds <= 0 {
			continue // it is informative, and not there before the first run's end
		}
		rows, seconds = rows+s.Total.OK+s.Total.Failed, seconds+s.Total.AskSeconds
		if from != "" {
			from = fmt.Sprintf("the summaries of %s", output)
		} else {
			from = path
		}
	}
	if rows == 0 {
		return 0, ""
	}
	return float64(rows) / seconds, from
}

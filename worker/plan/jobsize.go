package plan

import (
	"errors"
	"fmt"
	"io"
	"time"

	"fluxworker/batcher"
	"fluxworker/worker/input"
	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

const (
	// startTime is the time of a run besides rows and loading: the scan of the output, the inspection of the model, the search
	// for GPUs, the end. It takes seconds on most machines and minutes on some.
	startTime = 3 * time.Minute
	// loadRate is the speed of reading a model's files, in bytes per second, from a busy shared file system.
	loadRate = 200e6
	// taskTime is the aim for a task of an array: short enough for an early start by the scheduler, long against its own start.
	taskTime = 8 * time.Hour
	// timeStep is the unit of a time limit, which is rounded up.
	timeStep = 10 * time.Minute
	// cpuThreads is the number of CPUs for a model on the CPU. More would be faster, but not every cluster has more.
	cpuThreads = 8
)

// JobSize holds the resources that a job should request from SLURM.
type JobSize struct {
	GPUs   int   // 0 on the CPU
	CPUs   int   // with GPUs: two for this program, and two for each server, of which one waits for its GPU by spinning
	Memory int64 // in bytes; see MemoryToAskFor
	// Time is the time limit of a task: start and rows, plus a fifth, rounded up to ten minutes; 0 without a rate.
	Time  time.Duration
	Tasks int           // of an array; 1 without one
	Rows  int64         // without a line, of all tasks together
	Start time.Duration // startTime and the load of the model
}

// SizeJob returns the resources for a plan. rate is the number of rows that one task answers per second; 0 where it is not
// known. An array gets enough tasks that each ends within about taskTime, at least 2 and at most 1001.
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

// Left returns the number of rows of an input, or of one shard of it, without a line in the output, and of all rows. It
// subtracts the number of lines: lines of rows that the input does not have any more count, too. With overwrite no line
// counts. Errors: InputError, ConfigError.
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
		if shard.Count > 1 && (p.Shard.Index != shard.Index || p.Shard.Count != shard.Count) {
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

// EarlierRate returns the mean number of rows per second of one run into the output, and the source of the number for
// messages; 0 before the end of the first run.
func EarlierRate(output string) (rate float64, from string) {
	parts, err := result.Parts(output)
	if err != nil {
		return 0, ""
	}
	rows, seconds := int64(0), 0.0
	for _, p := range parts {
		path := p.Paths.In(record.SummaryFile)
		var s record.Summary
		if err := p.Paths.ReadJSON(record.SummaryFile, &s); err != nil || s.Total == nil || s.Total.AskSeconds <= 0 {
			continue // the summary is informative, and missing before the end of the first run
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

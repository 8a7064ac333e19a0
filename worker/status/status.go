// Package status reports the progress of the runs into an output. It reads the lock, the records and the lines, takes no lock
// and writes nothing, so it is safe while runs write to the output.
package status

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fluxworker/worker/lease"
	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// State is the state of an output, or of one shard of an output.
type State string

// The states.
const (
	Waiting  State = "waiting"  // no run has begun
	Running  State = "running"  // a living run holds the lock
	Finished State = "finished" // every row had its line at the end of the last run
	Stopped  State = "stopped"  // the last run ended earlier, and recorded why
	Killed   State = "killed"   // the last run holds the lock, but shows no sign of life
)

// Status is the progress of the runs into an output. Its JSON is an interface for programs.
type Status struct {
	Output   string        `json:"output"`
	Complete bool          `json:"complete"` // every shard is finished
	Shards   []ShardStatus `json:"shards"`   // a single shard without a name where the output is not split
	Total    RowStatus     `json:"total"`
}

// RowStatus counts the rows of an output or a shard.
type RowStatus struct {
	OK     int64 `json:"rows_ok"`     // lines in the results
	Failed int64 `json:"rows_failed"` // lines in the errors
	// Rows is the number of rows of the input; 0 where no run has counted or estimated it yet.
	Rows      int64 `json:"rows_total"`
	Estimated bool  `json:"rows_total_estimated,omitempty"`
	// RowsPerSecond is the rate in the last records of the living runs, at most half a minute old; 0 without such a record.
	RowsPerSecond float64 `json:"rows_per_second"`
	// SecondsLeft is the time for the other rows at this rate; 0 where it is not known.
	SecondsLeft float64 `json:"seconds_left,omitempty"`
}

// ShardStatus is the status of one shard, or of an output that is not split.
type ShardStatus struct {
	Shard string `json:"shard,omitempty"` // as in the names of its files
	State State  `json:"state"`
	RowStatus
	Attempts    int     `json:"attempts"`
	LastOutcome string  `json:"last_outcome,omitempty"` // see record.Attempt
	Holder      *Holder `json:"holder,omitempty"`       // nil unless Running or Killed
	// Ends is the time at which the last row of a running shard must have its line; zero where the run has no deadline.
	Ends time.Time `json:"ends,omitzero"`
	// GPUUse is the mean use of the GPUs of the last attempt, in percent of the time; nil where the records do not have it.
	GPUUse *float64 `json:"gpu_use_percent,omitempty"`

	began time.Time // of the last attempt
}

// Holder is the process that holds the lock of a shard.
type Holder struct {
	Host string `json:"host"`
	PID  int    `json:"pid"`
	Job  string `json:"job,omitempty"` // "" outside of SLURM
	// HeartbeatAge is the time since the last renewal of the lock, in seconds; a run renews its lock every five seconds. It
	// compares the time of the file with the clock of this machine, and the two may disagree.
	HeartbeatAge float64 `json:"heartbeat_age_seconds"`
}

// Of returns the status of an output. Errors: those of Reader.Read.
func Of(output string) (Status, error) { return NewReader(output).Read(context.Background()) }

// Reader reads the status of one output again and again. It keeps the counts of the lines, so that each call of Read reads only
// the lines that the runs have appended since the last call.
type Reader struct {
	output string
	counts map[result.Shard]*lineCounts
}

// lineCounts are the counts of the two files of a part.
type lineCounts struct{ results, errors result.LineCount }

// NewReader returns a reader of an output.
func NewReader(output string) *Reader {
	return &Reader{output: output, counts: make(map[result.Shard]*lineCounts)}
}

// Read returns the status of the output now. It returns early when ctx ends. Errors: ConfigError for an impossible name;
// InputError where a file cannot be read, or, around result.ErrNoOutput, where no output exists.
func (r *Reader) Read(ctx context.Context) (Status, error) {
	s := Status{Output: r.output}
	parts, err := result.Parts(r.output)
	if err != nil {
		return s, outcome.OfParts(err)
	}
	split, err := result.Split(r.output, parts)
	if err != nil {
		return s, &outcome.InputError{Err: err}
	}
	found := make(map[result.Shard]ShardStatus, len(parts))
	for _, p := range parts {
		if found[p.Shard], err = r.statusOf(ctx, p); err != nil {
			return s, &outcome.InputError{Err: err}
		}
	}
	count := int(split.Count)
	if count == 0 { // parts of several splits: the split that began last counts
		newest := slices.MaxFunc(parts, func(a, b result.Part) int { return found[a.Shard].began.Compare(found[b.Shard].began) })
		count = max(1, newest.Shard.Count)
	}
	s.list(parts, found, count)
	return s, nil
}

// list lists the parts of other splits, then all shards of the split that counts, and adds up the rows.
func (s *Status) list(parts []result.Part, found map[result.Shard]ShardStatus, split int) {
	for _, p := range parts {
		if max(1, p.Shard.Count) != split {
			other := found[p.Shard]
			s.Shards = append(s.Shards, other)
			s.Total.OK += other.OK
			s.Total.Failed += other.Failed
		}
	}
	first := len(s.Shards)
	maxRows := int64(0)
	_, hasWhole := found[result.Shard{}]
	for i := range split {
		shard := result.Shard{Index: i, Count: split}
		if split == 1 && hasWhole {
			shard = result.Shard{}
		}
		status, ok := found[shard]
		if !ok {
			status = ShardStatus{Shard: shard.String(), State: Waiting}
		}
		maxRows = max(maxRows, status.Rows)
		s.Shards = append(s.Shards, status)
	}
	s.sum(s.Shards[first:], maxRows)
}

// sum adds up the shards of a split. Their numbers of rows differ by at most a block of rows, see prompt.Shards: a shard without
// a count gets the given estimate.
func (s *Status) sum(shards []ShardStatus, rowsOfEach int64) {
	s.Complete = true
	t := &s.Total
	for i := range shards {
		shard := &shards[i]
		if shard.Rows == 0 && rowsOfEach > 0 && shard.State != Finished {
			shard.Rows, shard.Estimated = rowsOfEach, true
		}
		s.Complete = s.Complete && shard.State == Finished
		t.OK += shard.OK
		t.Failed += shard.Failed
		t.Rows += shard.Rows
		t.Estimated = t.Estimated || shard.Estimated
		t.RowsPerSecond += shard.RowsPerSecond
	}
	t.estimate()
}

// estimate sets SecondsLeft from the rate.
func (r *RowStatus) estimate() {
	if left := r.Rows - r.OK - r.Failed; left > 0 && r.RowsPerSecond > 0 {
		r.SecondsLeft = float64(left) / r.RowsPerSecond
	}
}

// statusOf returns the status of one part.
func (r *Reader) statusOf(ctx context.Context, p result.Part) (ShardStatus, error) {
	var s ShardStatus
	if p.Shard.Count > 0 {
		s.Shard = p.Shard.String()
	}
	// The lock comes first: a run writes everything before it releases the lock.
	lock, err := p.Paths.Lock()
	if err != nil {
		return s, err
	}
	attempts, err := record.ReadAttempts(p.Paths)
	if err != nil {
		return s, err
	}
	counts := r.counts[p.Shard]
	if counts == nil { // the first lines of a file do not change later
		if err := checkLines(ctx, p.Paths); err != nil {
			return s, err
		}
		counts = new(lineCounts)
		r.counts[p.Shard] = counts
	}
	if s.OK, s.Failed, err = p.Paths.CountLines(ctx, &counts.results, &counts.errors); err != nil {
		return s, err
	}
	var last record.Attempt
	if n := len(attempts); n > 0 {
		last = attempts[n-1]
		s.Attempts, s.LastOutcome, s.began = n, last.Outcome, last.Summary.Started
	}
	s.Rows, s.Estimated = rowsOf(attempts)
	s.GPUUse = gpuUse(last)
	s.setState(lock, last)
	return s, nil
}

// checkLines returns an error if a file has lines and no result line. Its lines are not rows that are done.
func checkLines(ctx context.Context, paths result.Paths) error {
	for _, path := range []string{paths.Results, paths.Errors} {
		holds, err := result.HeldBy(ctx, path)
		if err != nil {
			return err
		}
		if holds == result.Other {
			return fmt.Errorf("%s is not the output of a run: none of its lines is a result line; use the --output of the run's command", path)
		}
	}
	return nil
}

// setState sets the state, and for a held lock the holder and the rate.
func (s *ShardStatus) setState(lock *lease.Lock, last record.Attempt) {
	switch {
	case lock == nil && s.OK+s.Failed == 0 && s.Attempts == 0:
		s.State = Waiting
		return
	case lock == nil || !lock.Held:
		s.State = Stopped
		if last.Outcome == record.Complete {
			s.State = Finished
		}
		return
	}
	age := max(0, time.Since(lock.Beat))
	s.Holder = &Holder{Host: lock.Holder.Host, PID: lock.Holder.PID, Job: lock.Holder.Job, HeartbeatAge: age.Seconds()}
	if s.State = Running; lock.Gone != "" || age > lease.DefaultStale {
		s.State = Killed
	}
	// A run that has just begun has no record yet, and the last record belongs to another run.
	if s.State == Running && last.Outcome == record.Running && last.PID == lock.Holder.PID && last.Host == lock.Holder.Host {
		s.RowsPerSecond, s.Ends = last.Summary.RowsPerSecond, last.Ends
		s.estimate()
	}
}

// Late returns the time from Ends to the line of the last row, at the present rate: negative where the rows end in time. It
// returns false where the time is not known.
func (s *ShardStatus) Late(now time.Time) (late time.Duration, known bool) {
	if s.Ends.IsZero() || s.SecondsLeft == 0 {
		return 0, false
	}
	return now.Add(time.Duration(s.SecondsLeft * float64(time.Second))).Sub(s.Ends), true
}

// gpuUse returns the mean use of the GPUs of an attempt, in percent; nil where its record does not have it.
func gpuUse(a record.Attempt) *float64 {
	sum, n := 0.0, 0
	for _, g := range a.Summary.GPUs {
		if g.MeanUtilisation != nil {
			sum += *g.MeanUtilisation
			n++
		}
	}
	if n == 0 {
		return nil
	}
	mean := sum / float64(n)
	return &mean
}

// rowsOf returns the last exact count of the rows, or, without a count, the last estimate.
func rowsOf(attempts []record.Attempt) (rows int64, estimated bool) {
	for _, a := range slices.Backward(attempts) {
		switch {
		case a.Rows > 0 && !a.Estimated:
			return a.Rows, false
		case rows == 0:
			rows, estimated = a.Rows, a.Estimated
		}
	}
	return rows, estimated
}

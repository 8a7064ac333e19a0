// Package status says how far the runs into an output are. It goes by the lock, the records and the lines, takes no lock and
// writes nothing, so that it may look at an output while runs write to it.
package status

import (
	"slices"
	"time"

	"fluxworker/worker/lease"
	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// State is what becomes of an output, or a shard of one, at a moment.
type State string

// The states.
const (
	Waiting  State = "waiting"  // no run has begun it
	Running  State = "running"  // a run holds it, and shows that it lives
	Finished State = "finished" // its last run has dealt with every row
	Stopped  State = "stopped"  // its last run ended before that, and said why
	Killed   State = "killed"   // its last run holds it yet, but shows no sign of life
)

// Status is how far the runs into an output are. Its JSON is what programs read.
type Status struct {
	Output   string        `json:"output"`
	Complete bool          `json:"complete"` // every shard is finished
	Shards   []ShardStatus `json:"shards"`   // one, without a name, where the output is not split
	Total    RowStatus     `json:"total"`
}

// RowStatus is how far the rows are.
type RowStatus struct {
	OK     int64 `json:"rows_ok"`     // lines in the results
	Failed int64 `json:"rows_failed"` // and in the errors
	// Rows is how many rows there are to do; 0 where nobody has counted or estimated them yet.
	Rows      int64 `json:"rows_total"`
	Estimated bool  `json:"rows_total_estimated,omitempty"`
	// RowsPerSecond is that of the runs that are at work, as they noted it within the last half minute; 0 where they have not.
	RowsPerSecond float64 `json:"rows_per_second"`
	// SecondsLeft is how long the rest takes at this rate; 0 where that is not known.
	SecondsLeft float64 `json:"seconds_left,omitempty"`
}

// ShardStatus is how far a shard is, or an output that is not split.
type ShardStatus struct {
	Shard string `json:"shard,omitempty"` // as in the names of its files
	State State  `json:"state"`
	RowStatus
	Attempts    int     `json:"attempts"`
	LastOutcome string  `json:"last_outcome,omitempty"`
	Holder      *Holder `json:"holder,omitempty"` // where it is running or killed

	began time.Time // the last record.Attempt
}

// Holder is who writes to a shard, or did so when he was killed.
type Holder struct {
	Host string `json:"host"`
	PID  int    `json:"pid"`
	Job  string `json:"job,omitempty"`
	// HeartbeatAge is for how many seconds the lock has not been renewed, which a run does every five. It is the difference
	// of the file's time and this machine's clock, which may disagree.
	HeartbeatAge float64 `json:"heartbeat_age_seconds"`
}

// Of returns the status of an output. Errors: result.ErrNoOutput (as an InputError), ConfigError for an impossible name, InputError
// where something cannot be read.
func Of(output string) (Status, error) {
	s := Status{Output: output}
	parts, err := result.Parts(output)
	if err != nil {
		return s, outcome.OfParts(err)
	}
	split, err := result.Split(output, parts)
	if err != nil {
		return s, &outcome.InputError{Err: err}
	}
	found := make(map[result.Shard]ShardStatus, len(parts))
	for _, p := range parts {
		if found[p.Shard], err = statusOf(p); err != nil {
			return s, &outcome.InputError{Err: err}
		}
	}
	if split == 0 { // the parts of several splits: the last one to be started counts
		newest := slices.MaxFunc(parts, func(a, b result.Part) int { return found[a.Shard].began.Compare(found[b.Shard].began) })
		split = max(1, newest.Shard.Count)
	}
	s.list(parts, found, split)
	return s, nil
}

// list puts the shards of the split that counts behind what there is of others, with those that have not begun, and sums up.
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
	most := int64(0)
	_, hasWhole := found[result.Shard{}]
	for i := range split {
		shard := result.Shard{Index: i, Count: split}
		if split == 1 && hasWhole {
			shard = result.Shard{}
		}
		one, ok := found[shard]
		if !ok {
			one = ShardStatus{Shard: shard.String(), State: Waiting}
		}
		most = max(most, one.Rows)
		s.Shards = append(s.Shards, one)
	}
	s.sum(s.Shards[first:], most)
}

// sum adds up the shards of a split. Rows are dealt out in turn, so that a shard which has not counted its own has as many
// as any other, but for one.
func (s *Status) sum(shards []ShardStatus, rowsOfEach int64) {
	s.Complete = true
	t := &s.Total
	for i := range shards {
		one := &shards[i]
		if one.Rows == 0 && rowsOfEach > 0 && one.State != Finished {
			one.Rows, one.Estimated = rowsOfEach, true
		}
		s.Complete = s.Complete && one.State == Finished
		t.OK += one.OK
		t.Failed += one.Failed
		t.Rows += one.Rows
		t.Estimated = t.Estimated || one.Estimated
		t.RowsPerSecond += one.RowsPerSecond
	}
	t.estimate()
}

// estimate tells how long the rest will take.
func (r *RowStatus) estimate() {
	if left := r.Rows - r.OK - r.Failed; left > 0 && r.RowsPerSecond > 0 {
		r.SecondsLeft = float64(left) / r.RowsPerSecond
	}
}

// statusOf returns the status of one part.
func statusOf(p result.Part) (ShardStatus, error) {
	var s ShardStatus
	if p.Shard.Count > 0 {
		s.Shard = p.Shard.String()
	}
	// The lock first: whoever gives it free has written everything before.
	lock, err := p.Paths.Lock()
	if err != nil {
		return s, err
	}
	attempts, err := record.ReadAttempts(p.Paths)
	if err != nil {
		return s, err
	}
	if s.OK, s.Failed, err = p.Paths.Lines(); err != nil {
		return s, err
	}
	var last record.Attempt
	if n := len(attempts); n > 0 {
		last = attempts[n-1]
		s.Attempts, s.LastOutcome, s.began = n, last.Outcome, last.Summary.Started
	}
	s.Rows, s.Estimated = rowsOf(attempts)
	s.judge(lock, last)
	return s, nil
}

// judge settles the state.
func (s *ShardStatus) judge(lock *lease.Lock, last record.Attempt) {
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
	// A run that has only just begun has no record yet: the last one is another's.
	if s.State == Running && last.Outcome == record.Running && last.PID == lock.Holder.PID && last.Host == lock.Holder.Host {
		s.RowsPerSecond = last.Summary.RowsPerSecond
		s.estimate()
	}
}

// rowsOf is the last exact count of the rows, else the last estimate.
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

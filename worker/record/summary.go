package record

import (
	"fmt"
	"strings"
	"time"

	"fluxworker/worker/result"
)

// Summary says what an attempt did; summary.json holds it.
type Summary struct {
	Started     time.Time `json:"started"`
	WallSeconds float64   `json:"wall_seconds"` // the whole run, the server's start included
	// AskSeconds is from the first row asked to the end; the rates are over this time.
	AskSeconds      float64 `json:"ask_seconds"`
	OK              int64   `json:"rows_ok"`     // lines of this run in the results, synced to the disk
	Failed          int64   `json:"rows_failed"` // and in the errors
	Skipped         int64   `json:"rows_done_before"`
	FailedBefore    int64   `json:"rows_failed_before"`     // of those done before
	PutOff          int64   `json:"rows_put_off,omitempty"` // until servers had a longer context
	Cut             int64   `json:"rows_cut"`               // of this run's answered rows: an answer ended at max_tokens (finish_reason length)
	Empty           int64   `json:"rows_empty"`             // and an answer says nothing, as when a model thinks until max_tokens
	TokensIn        int64   `json:"tokens_in"`
	TokensOut       int64   `json:"tokens_out"`
	RowsPerSecond   float64 `json:"rows_per_second"`
	TokensPerSecond float64 `json:"tokens_per_second"` // written by the model
	Complete        bool    `json:"complete"`          // every row of the input has its line

	GPUs     []GPUUse   `json:"gpus,omitempty"`
	InFlight []InFlight `json:"in_flight,omitempty"`

	// Results and Errors are the files that hold the run's lines.
	Results string `json:"-"`
	Errors  string `json:"-"`
	// Document is the file that holds all rows, where one was asked for and is written; empty otherwise.
	Document string `json:"-"`
	// Shard is the part of the input that was the run's; zero for all of it.
	Shard result.Shard `json:"-"`

	Total *Total `json:"all_attempts,omitempty"`
}

// Total sums up all attempts of one output. An attempt that was killed counts up to the last half minute.
type Total struct {
	Attempts    int     `json:"attempts"`
	OK          int64   `json:"rows_ok"` // lines in the results
	Failed      int64   `json:"rows_failed"`
	WallSeconds float64 `json:"wall_seconds"`
	AskSeconds  float64 `json:"ask_seconds"`
	TokensIn    int64   `json:"tokens_in"`
	TokensOut   int64   `json:"tokens_out"`
	GPUHours    float64 `json:"gpu_hours,omitempty"`
	WattHours   float64 `json:"energy_wh,omitempty"` // of the GPUs whose driver tells
}

// TotalOf sums up attempts. The lines are those in the files.
func TotalOf(earlier []Attempt, now Summary, answered, failed int64) *Total {
	t := &Total{OK: answered, Failed: failed}
	for _, a := range earlier {
		t.add(a.Summary)
	}
	t.add(now)
	return t
}

func (t *Total) add(s Summary) {
	t.Attempts++
	t.WallSeconds += s.WallSeconds
	t.AskSeconds += s.AskSeconds
	t.TokensIn += s.TokensIn
	t.TokensOut += s.TokensOut
	for _, g := range s.GPUs {
		t.GPUHours += g.Hours
		if g.WattHours != nil {
			t.WattHours += *g.WattHours
		}
	}
}

// Rows returns how many rows the run saw.
func (s Summary) Rows() int64 { return s.OK + s.Failed + s.Skipped }

// Summarize returns the summary of an attempt so far. answered and failed are the lines of each kind that are synced to the disk.
func (c *Counters) Summarize(started time.Time, answered, failed int64) Summary {
	p := c.Progress()
	return Summary{
		Started:     started.UTC(),
		WallSeconds: time.Since(started).Seconds(),
		AskSeconds:  p.Elapsed.Seconds(),
		OK:          answered, Failed: failed, Skipped: p.Skipped, FailedBefore: c.failedBefore.Load(),
		PutOff: c.deferred.Load(), Cut: c.cut.Load(), Empty: c.empty.Load(),
		TokensIn: p.TokensIn, TokensOut: p.TokensOut,
		RowsPerSecond: p.RowsPerSecond(), TokensPerSecond: p.TokensPerSecond(),
	}
}

// String returns the summary for people.
func (s Summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rows    %d ok, %d failed", s.OK, s.Failed)
	if s.Skipped > 0 {
		fmt.Fprintf(&b, ", %d done before", s.Skipped)
	}
	if s.FailedBefore > 0 {
		fmt.Fprintf(&b, " (%d of them failed)", s.FailedBefore)
	}
	switch {
	case s.Cut > 0 && s.Empty > 0:
		fmt.Fprintf(&b, "\nnote    %d answered rows were cut at max_tokens, %d have an empty answer", s.Cut, s.Empty)
	case s.Cut > 0:
		fmt.Fprintf(&b, "\nnote    %d answered rows were cut at max_tokens", s.Cut)
	case s.Empty > 0:
		fmt.Fprintf(&b, "\nnote    %d answered rows have an empty answer", s.Empty)
	}
	fmt.Fprintf(&b, "\ntokens  %d in, %d out", s.TokensIn, s.TokensOut)
	fmt.Fprintf(&b, "\nspeed   %.1f rows/s, %.1f tok/s", s.RowsPerSecond, s.TokensPerSecond)
	fmt.Fprintf(&b, "\ntime    %.1f s, %.1f s of it answering", s.WallSeconds, s.AskSeconds)
	return b.String()
}

// InFlight says how many rows were with a server at once.
type InFlight struct {
	Server  string `json:"server"`
	Planned int    `json:"planned"` // the slots, and the look-ahead
	Last    int    `json:"last"`    // at the end of the run: fewer where the server failed many requests
}

// GPUUse says what a run did with one GPU. What the driver does not tell is left out.
//
// All numbers are over the same time: from just before the first server is started until the last server has ended, the load of
// the model and every restart included, also where no server was on this GPU. The job holds the GPU for longer: the time
// before (the input is opened, Ollama is asked about the model) and after is not counted.
type GPUUse struct {
	UUID            string   `json:"uuid"`
	Name            string   `json:"name"`
	Hours           float64  `json:"gpu_hours"`
	MeanUtilisation *float64 `json:"mean_utilisation_percent,omitempty"`
	PeakMemoryBytes uint64   `json:"peak_memory_bytes,omitempty"`
	Joules          *float64 `json:"energy_joules,omitempty"`
	WattHours       *float64 `json:"energy_wh,omitempty"`
	Lost            bool     `json:"lost,omitempty"` // it went in mid-run, by what the driver said
	XIDs            []uint64 `json:"xids,omitempty"` // its critical errors, as they came
}

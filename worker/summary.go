package worker

import (
	"fmt"
	"strings"
	"time"

	"fluxworker/worker/result"
)

// Summary is what a run did; summary.json holds it.
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

// Total is what all runs into one output did together. One that was killed counts up to the last half minute.
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

// Rows is how many rows the run saw.
func (s Summary) Rows() int64 { return s.OK + s.Failed + s.Skipped }

func (r *run) summary(started time.Time) Summary {
	p := r.counts.Progress()
	ok, failed := r.output.Durable()
	return Summary{
		Started:     started.UTC(),
		WallSeconds: time.Since(started).Seconds(),
		AskSeconds:  p.Elapsed.Seconds(),
		OK:          ok, Failed: failed, Skipped: p.Skipped, FailedBefore: r.counts.failedBefore.Load(),
		PutOff: r.counts.putOff.Load(), Cut: r.counts.cut.Load(), Empty: r.counts.empty.Load(),
		TokensIn: p.TokensIn, TokensOut: p.TokensOut,
		RowsPerSecond: p.RowsPerSecond(), TokensPerSecond: p.TokensPerSecond(),
		InFlight: r.inFlight(), Results: r.paths.Results, Errors: r.paths.Errors, Shard: r.shard,
	}
}

// String is the summary for people.
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

package worker

import (
	"fmt"
	"strings"
	"time"
)

// Summary is what a run did; summary.json holds it.
type Summary struct {
	Started     time.Time `json:"started"`
	WallSeconds float64   `json:"wall_seconds"` // the whole run, the server's start included
	// AskSeconds is from the first row asked to the end; the rates are over this time.
	AskSeconds      float64 `json:"ask_seconds"`
	OK              int64   `json:"rows_ok"`
	Failed          int64   `json:"rows_failed"`
	Skipped         int64   `json:"rows_done_before"`
	FailedBefore    int64   `json:"rows_failed_before"` // of those done before
	TokensIn        int64   `json:"tokens_in"`
	TokensOut       int64   `json:"tokens_out"`
	RowsPerSecond   float64 `json:"rows_per_second"`
	TokensPerSecond float64 `json:"tokens_per_second"` // written by the model
	Complete        bool    `json:"complete"`          // every row of the input has its line

	GPUs []GPUUse `json:"gpus,omitempty"`
}

// Rows is how many rows the run saw.
func (s Summary) Rows() int64 { return s.OK + s.Failed + s.Skipped }

func (r *run) summary(started time.Time) Summary {
	p := r.counts.Progress()
	return Summary{
		Started:     started.UTC(),
		WallSeconds: time.Since(started).Seconds(),
		AskSeconds:  p.Elapsed.Seconds(),
		OK:          p.OK, Failed: p.Failed, Skipped: p.Skipped, FailedBefore: r.counts.failedBefore.Load(),
		TokensIn: p.TokensIn, TokensOut: p.TokensOut,
		RowsPerSecond: p.RowsPerSecond(), TokensPerSecond: p.TokensPerSecond(),
		GPUs:     r.gpuUse,
		Complete: r.counts.allRead.Load() && r.counts.unanswered() == 0,
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
	fmt.Fprintf(&b, "\ntokens  %d in, %d out", s.TokensIn, s.TokensOut)
	fmt.Fprintf(&b, "\nspeed   %.1f rows/s, %.1f tok/s", s.RowsPerSecond, s.TokensPerSecond)
	fmt.Fprintf(&b, "\ntime    %.1f s, %.1f s of it answering", s.WallSeconds, s.AskSeconds)
	return b.String()
}

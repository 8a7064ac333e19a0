package record

import (
	"fmt"
	"strings"
	"time"

	"fluxworker/worker/result"
)

// Summary sums up an attempt; summary.json holds the last.
type Summary struct {
	Started     time.Time `json:"started"`
	WallSeconds float64   `json:"wall_seconds"` // the whole run, with the start of the servers
	// AskSeconds is the time from the first pass to the end of the last, between passes included; the rates refer to it.
	AskSeconds   float64 `json:"ask_seconds"`
	OK           int64   `json:"rows_ok"`                // lines of this run in the results, synced to the disk
	Failed       int64   `json:"rows_failed"`            // lines of this run in the errors, synced to the disk
	Skipped      int64   `json:"rows_done_before"`       // rows with a line of an earlier run
	FailedBefore int64   `json:"rows_failed_before"`     // of the skipped rows, those with an error line
	PutOff       int64   `json:"rows_put_off,omitempty"` // rows that were deferred to servers with a longer context
	Cut          int64   `json:"rows_cut"`               // answered rows of this run with an answer that ended at max_tokens (finish_reason length)
	Empty        int64   `json:"rows_empty"`             // answered rows of this run with an empty answer, as when a model thinks until max_tokens
	TokensIn     int64   `json:"tokens_in"`
	TokensCached int64   `json:"tokens_in_cached,omitempty"` // of TokensIn, those that the slots had read already
	TokensOut    int64   `json:"tokens_out"`
	// Shared counts the rows that were asked in groups; nil without a group.
	Shared          *SharedPrefixes `json:"shared_prefixes,omitempty"`
	RowsPerSecond   float64         `json:"rows_per_second"`
	TokensPerSecond float64         `json:"tokens_per_second"` // written by the model
	Complete        bool            `json:"complete"`          // every row of the input has its line

	GPUs     []GPUUse   `json:"gpus,omitempty"`
	InFlight []InFlight `json:"in_flight,omitempty"`
	// Latency holds the seconds from the request to the answer, of this attempt's answered rows; nil without an answered row.
	Latency *Histogram `json:"latency,omitempty"`
	// Energy sums up GPUs; nil without a GPU.
	Energy *Energy `json:"energy,omitempty"`
	// CarbonIntensity is the CO2 of the grid in grams for each kilowatt-hour, by the user; 0 where unknown.
	CarbonIntensity float64 `json:"carbon_intensity_g_per_kwh,omitempty"`

	// Results and Errors are the paths of the files with the run's lines.
	Results string `json:"-"`
	Errors  string `json:"-"`
	// Document is the path of the document with all rows; "" where none was written.
	Document string `json:"-"`
	// Shard is this run's part of the input; zero for the whole input.
	Shard result.Shard `json:"-"`

	Total *Total `json:"all_attempts,omitempty"` // nil before the end of the attempt
}

// Total sums up all attempts of one output. A killed attempt counts up to its last record, which is at most ProgressEvery old.
type Total struct {
	Attempts    int     `json:"attempts"`
	OK          int64   `json:"rows_ok"`     // lines in the results
	Failed      int64   `json:"rows_failed"` // lines in the errors
	WallSeconds float64 `json:"wall_seconds"`
	AskSeconds  float64 `json:"ask_seconds"`
	TokensIn    int64   `json:"tokens_in"`
	TokensOut   int64   `json:"tokens_out"`
	Energy      *Energy `json:"energy,omitempty"` // of the attempts with GPUs; nil without such an attempt
}

// TotalOf sums up the earlier attempts and the present one. answered and failed are the numbers of lines in the files.
func TotalOf(earlier []Attempt, now Summary, answered, failed int64) *Total {
	t := &Total{OK: answered, Failed: failed}
	all := make([]Summary, 0, len(earlier)+1)
	for _, a := range earlier {
		all = append(all, a.Summary)
	}
	all = append(all, now)
	for _, s := range all {
		t.add(s)
	}
	t.Energy = energyOf(now.CarbonIntensity, all...)
	return t
}

// Use sets the use of the GPUs and its energy. intensity is the CO2 of the grid in grams for each kilowatt-hour; 0 where unknown.
func (s *Summary) Use(gpus []GPUUse, intensity float64) {
	s.GPUs, s.CarbonIntensity = gpus, intensity
	s.Energy = energyOf(intensity, *s)
}

// add adds one attempt.
func (t *Total) add(s Summary) {
	t.Attempts++
	t.WallSeconds += s.WallSeconds
	t.AskSeconds += s.AskSeconds
	t.TokensIn += s.TokensIn
	t.TokensOut += s.TokensOut
}

// Rows returns the number of rows with a line, of this run and of earlier runs.
func (s Summary) Rows() int64 { return s.OK + s.Failed + s.Skipped }

// Summarize returns the summary of an attempt so far. answered and failed are the numbers of lines that are synced to the
// disk.
func (c *Counters) Summarize(started time.Time, answered, failed int64) Summary {
	p := c.Progress()
	return Summary{
		Started:     started.UTC(),
		WallSeconds: time.Since(started).Seconds(),
		AskSeconds:  p.Elapsed.Seconds(),
		OK:          answered, Failed: failed, Skipped: p.Skipped, FailedBefore: c.failedBefore.Load(),
		PutOff: c.deferred.Load(), Cut: c.cut.Load(), Empty: c.empty.Load(),
		TokensIn: p.TokensIn, TokensCached: c.tokensCached.Load(), TokensOut: p.TokensOut,
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
	fmt.Fprintf(&b, "\ntokens  %d in", s.TokensIn)
	if 10*s.TokensCached >= s.TokensIn && s.TokensIn > 0 { // a template alone gives some
		fmt.Fprintf(&b, " (%.0f %% of them read before)", 100*float64(s.TokensCached)/float64(s.TokensIn))
	}
	fmt.Fprintf(&b, ", %d out", s.TokensOut)
	if s.Shared != nil {
		fmt.Fprintf(&b, "\nshared  %s", s.Shared)
	}
	fmt.Fprintf(&b, "\nspeed   %.1f rows/s, %.1f tok/s", s.RowsPerSecond, s.TokensPerSecond)
	fmt.Fprintf(&b, "\ntime    %.1f s, %.1f s of it answering", s.WallSeconds, s.AskSeconds)
	if s.Energy != nil {
		fmt.Fprintf(&b, "\nenergy  %s", s.Energy)
		if s.Total != nil && s.Total.Attempts > 1 && s.Total.Energy != nil {
			fmt.Fprintf(&b, "\n        all runs together: %s", s.Total.Energy)
		}
	}
	return b.String()
}

// InFlight records the limit of the rows that are with a server at once.
type InFlight struct {
	Server  string `json:"server"`
	Planned int    `json:"planned"` // the first limit: the slots and the look-ahead
	Last    int    `json:"last"`    // the last limit: lower where the server failed many requests, another where the run looked for the best
}

// GPUUse records a run's use of one GPU. Numbers that the driver does not report are left out.
//
// All numbers refer to the same time: from just before the first start of a server to the end of the last server, with the
// load of the model and every restart, also without a server on this GPU. The job holds the GPU for longer: the time before
// (opening the input, asking Ollama about the model) and after does not count.
type GPUUse struct {
	UUID            string   `json:"uuid"`
	Name            string   `json:"name"`
	Hours           float64  `json:"gpu_hours"`
	MeanUtilisation *float64 `json:"mean_utilisation_percent,omitempty"`
	PeakMemoryBytes uint64   `json:"peak_memory_bytes,omitempty"`
	Joules          *float64 `json:"energy_joules,omitempty"`
	WattHours       *float64 `json:"energy_wh,omitempty"`
	Lost            bool     `json:"lost,omitempty"` // the driver reported the GPU as lost during the run
	XIDs            []uint64 `json:"xids,omitempty"` // critical errors of the GPU, in order
}

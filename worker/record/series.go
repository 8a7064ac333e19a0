package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"fluxworker/worker/result"
	"fluxworker/worker/safeopen"
)

// seriesFile is the name of the moments in the run folder: one Moment on each line.
const seriesFile = "series.jsonl"

// Moment is the state of a run at a time.
type Moment struct {
	At           time.Time   `json:"at"`
	Attempt      int         `json:"attempt"`
	Event        string      `json:"event,omitempty"`  // start, serving, restart, drain, pass or end; empty for a periodic moment
	Detail       string      `json:"detail,omitempty"` // of an event, for people; never prompt text
	OK           int64       `json:"ok"`               // rows of this attempt, so far
	Failed       int64       `json:"failed"`
	TokensIn     int64       `json:"tokens_in"`
	TokensCached int64       `json:"tokens_in_cached,omitempty"`
	TokensOut    int64       `json:"tokens_out"`
	InFlight     int         `json:"in_flight"`         // rows with the servers now
	Slots        int         `json:"slots"`             // of all serving servers
	Context      int         `json:"context,omitempty"` // of a slot, in tokens
	GPUs         []GPUMoment `json:"gpus,omitempty"`
}

// GPUMoment is the state of a GPU at a time.
type GPUMoment struct {
	UUID        string   `json:"uuid"`
	UsedBytes   uint64   `json:"used_bytes"`
	TotalBytes  uint64   `json:"total_bytes"`
	Utilisation *float64 `json:"utilisation_percent,omitempty"`
	Watts       *float64 `json:"power_w,omitempty"` // from the energy counter's difference, or the driver's power reading
}

// ReadSeries reads the moments of all attempts; none without a file. It leaves out damaged and cut-off lines. Error:
// result.RecordError.
func ReadSeries(paths result.Paths) ([]Moment, error) {
	data, err := safeopen.Read(paths.In(seriesFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, &result.RecordError{Path: paths.In(seriesFile), Err: err}
	}
	var all []Moment
	for line := range bytes.Lines(data) {
		var m Moment
		if json.Unmarshal(line, &m) == nil && !m.At.IsZero() {
			all = append(all, m)
		}
	}
	return all, nil
}

package record

import "time"

// Moment is the state of a run at a time. A run appends its moments to the series of its run folder.
type Moment struct {
	At      time.Time `json:"at"` // UTC
	Attempt int       `json:"attempt"`
	// Event is what happened at this time; "" for a periodic moment.
	Event Event `json:"event,omitempty"`
	// Detail describes an event for people. It never holds text of prompts or answers.
	Detail       string      `json:"detail,omitempty"`
	OK           int64       `json:"ok"` // rows of this attempt, so far
	Failed       int64       `json:"failed"`
	TokensIn     int64       `json:"tokens_in"`                  // of this attempt, so far
	TokensCached int64       `json:"tokens_in_cached,omitempty"` // of TokensIn, those that the slots had read already
	TokensOut    int64       `json:"tokens_out"`
	InFlight     int         `json:"in_flight"`         // rows that are with the servers now
	Slots        int         `json:"slots"`             // of all servers that serve now
	Context      int         `json:"context,omitempty"` // of a slot, in tokens; 0 while no server serves
	GPUs         []GPUMoment `json:"gpus,omitempty"`    // the last sample of the GPU watch, which is at most some seconds old
}

// Event is what happened at a Moment.
type Event string

// The events of a run.
const (
	EventStart   Event = "start"   // the attempt holds the output
	EventServing Event = "serving" // the servers of a pass are ready
	EventRestart Event = "restart" // a lost server serves again
	EventDrain   Event = "drain"   // no new rows; rows in flight may finish
	EventPass    Event = "pass"    // a pass for rows that need a longer context begins
	EventEnd     Event = "end"     // the attempt is over; the servers have ended
)

// GPUMoment is the last sample of a GPU. Numbers that the driver does not report are left out.
type GPUMoment struct {
	UUID        string   `json:"uuid"`
	UsedBytes   uint64   `json:"used_bytes"` // GPU memory in use, also by other processes
	TotalBytes  uint64   `json:"total_bytes"`
	Utilisation *float64 `json:"utilisation_percent,omitempty"`
	// Watts is the mean power since the sample before, where the GPU has an energy counter, and otherwise the driver's reading.
	Watts *float64 `json:"power_w,omitempty"`
}

package fakeollama

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// eagerRequests is the number of requests whose arrival is written at once, so that a SIGKILL loses none of them.
	eagerRequests = 100
	// recordInterval is the minimum interval between writes after that.
	recordInterval = 50 * time.Millisecond
	// maxBodies limits the stored bodies in bytes.
	maxBodies = 64 << 20
)

// Record holds the observations of a stand-in. It counts proofs, with which a worker checks that answers come,
// separately.
type Record struct {
	Argv []string `json:"argv"` // the whole command line
	Env  []string `json:"env"`  // the whole environment, NAME=VALUE
	PID  int      `json:"pid"`

	Requests     int `json:"requests"` // chat requests that arrived, without proofs
	Proofs       int `json:"proofs"`
	Answered     int `json:"answered"`       // complete answers to Requests
	Gone         int `json:"gone"`           // chat requests whose client or server went away before an answer
	Loads        int `json:"loads"`          // how often a real server would have loaded a model
	Pulls        int `json:"pulls"`          // number of pull requests
	PeakInFlight int `json:"peak_in_flight"` // maximum number of chat requests at the same time, including proofs
	PeakWorking  int `json:"peak_working"`   // maximum number of those with a slot

	Listening    time.Time `json:"listening,omitzero"`     // when it started to listen
	LastProof    time.Time `json:"last_proof,omitzero"`    // when the last proof was answered
	FirstRequest time.Time `json:"first_request,omitzero"` // when the first of Requests arrived
	LastAnswer   time.Time `json:"last_answer,omitzero"`   // when the last of Requests was answered
	SlotSeconds  float64   `json:"slot_seconds"`           // seconds with a taken slot, summed over the slots; a freed slot counts as taken if a request waits
	WorkSeconds  float64   `json:"work_seconds"`           // seconds of work in slots; a slot does not count until a waiting request has noticed that it is free

	// Elsewhere counts the requests that followed a redirect.
	Elsewhere int               `json:"elsewhere,omitempty"`
	Faults    map[string]int    `json:"faults"`           // how often each kind of fault struck
	Options   []OptionSet       `json:"options"`          // in the order of their first appearance
	Bodies    []json.RawMessage `json:"bodies,omitempty"` // chat requests without proofs, in order of arrival; as a string if not JSON
	Cut       bool              `json:"bodies_cut,omitempty"`
	Ended     string            `json:"ended"` // signal, exit, max-life, start-fault; empty while running and after a SIGKILL
}

// OptionSet is one set of the options whose change makes a server reload the model.
type OptionSet struct {
	Options  map[string]json.RawMessage `json:"options"`
	Requests int                        `json:"requests"` // number of loads, proofs and chat requests with this set
}

// ReadRecord reads the record of a stand-in.
func ReadRecord(path string) (Record, error) {
	var r Record
	data, err := os.ReadFile(path)
	if err != nil {
		return r, fmt.Errorf("read record: %w", err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read record %s: %w", path, err)
	}
	return r, nil
}

// recorder holds the record and writes its file.
type recorder struct {
	path   string // empty means no file
	log    *logger
	bodies bool
	dirty  chan struct{} // holds a token if the file is out of date

	writing sync.Mutex // held while the file is written

	mu        sync.Mutex
	record    Record
	inFlight  int
	slots     int
	wanting   int       // number of requests that have a slot or wait for one
	working   int       // number of those with a slot
	counted   time.Time // until when SlotSeconds and WorkSeconds are counted
	bodyBytes int
	sets      map[string]int // index in record.Options
}

func newRecorder(c config, argv, env []string, log *logger) *recorder {
	return &recorder{
		path: ownFile(c.record), log: log, bodies: c.bodies, slots: c.slots,
		dirty: make(chan struct{}, 1),
		record: Record{
			Argv: argv, Env: env, PID: os.Getpid(),
			Faults: map[string]int{}, Options: []OptionSet{},
		},
		sets: make(map[string]int),
	}
}

// ownFile returns the path of the record's file. If path is a folder, each server of a run has its own file in it, with a random
// name: in their namespaces all servers have the same process id.
func ownFile(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return path
	}
	return filepath.Join(path, fmt.Sprintf("%016x.json", rand.Uint64()))
}

// keep writes the file when it is out of date, with limited frequency, until the context ends.
func (r *recorder) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.dirty:
		}
		began := time.Now()
		r.write()
		// A record with many bodies takes long to write; limit the share of time for it.
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(recordInterval, 10*time.Since(began))):
		}
	}
}

// change applies f to the record and marks the file as out of date.
func (r *recorder) change(f func(*Record)) {
	r.count(f)
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// count applies f to the record and does not mark the file.
func (r *recorder) count(f func(*Record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.record)
}

// arrive records a chat request.
func (r *recorder) arrive(body []byte, proof bool) {
	eager := false
	r.change(func(rec *Record) {
		r.arrived(rec, proof)
		if !proof {
			r.keepBody(body)
		}
		eager = rec.Requests+rec.Proofs <= eagerRequests
	})
	if eager {
		r.write()
	}
}

// arrived counts a chat request. The lock is held.
func (r *recorder) arrived(rec *Record, proof bool) {
	r.inFlight++
	rec.PeakInFlight = max(rec.PeakInFlight, r.inFlight)
	if proof {
		rec.Proofs++
		return
	}
	rec.Requests++
	if rec.Requests == 1 {
		rec.FirstRequest = time.Now()
	}
}

// answered counts a complete answer. The lock is held.
func (r *recorder) answered(rec *Record, proof bool) {
	if proof {
		rec.LastProof = time.Now()
		return
	}
	rec.Answered++
	rec.LastAnswer = time.Now()
}

func (r *recorder) keepBody(body []byte) {
	switch {
	case !r.bodies:
		return
	case r.bodyBytes+len(body) > maxBodies:
		r.record.Cut = true
		return
	case !json.Valid(body):
		body, _ = json.Marshal(string(body))
	}
	r.bodyBytes += len(body)
	r.record.Bodies = append(r.record.Bodies, body)
}

func (r *recorder) leave() { r.change(func(*Record) { r.inFlight-- }) }

// want records that a request waits for a slot.
func (r *recorder) want() { r.change(r.wanted) }

// giveUp records that a waiting request went away without a slot.
func (r *recorder) giveUp() { r.change(r.gaveUp) }

// begin records that a request has its slot.
func (r *recorder) begin() { r.change(r.began) }

func (r *recorder) end() { r.change(r.ended) }

// wanted counts a request that waits for a slot. The lock is held.
func (r *recorder) wanted(rec *Record) {
	r.countSlots(rec)
	r.wanting++
}

// gaveUp counts a waiting request that went away without a slot. The lock is held.
func (r *recorder) gaveUp(rec *Record) {
	r.countSlots(rec)
	r.wanting--
}

// began counts a waiting request that has a slot now. The lock is held.
func (r *recorder) began(rec *Record) {
	r.countSlots(rec)
	r.working++
	rec.PeakWorking = max(rec.PeakWorking, r.working)
}

// ended counts a request that has freed its slot. The lock is held.
func (r *recorder) ended(rec *Record) {
	r.countSlots(rec)
	r.working--
	r.wanting--
}

// countSlots adds the slots' seconds up to now. A freed slot belongs to the next waiting request at once, as the
// semaphore gives it away and a real engine does; the wake-up of that request's goroutine is only a property of the
// stand-in. The lock is held.
func (r *recorder) countSlots(rec *Record) {
	now := time.Now()
	since := now.Sub(r.counted).Seconds()
	rec.SlotSeconds += float64(min(r.wanting, r.slots)) * since
	rec.WorkSeconds += float64(r.working) * since
	r.counted = now
}

// struck records a fault and writes the file before the fault happens, because the process may end.
func (r *recorder) struck(k kind) {
	r.change(func(rec *Record) { rec.Faults[string(k)]++ })
	if k == exits {
		r.write()
	}
}

// options records a set of runner options under its canonical spelling.
func (r *recorder) options(spelling string, set map[string]json.RawMessage) {
	r.change(func(rec *Record) {
		i, ok := r.sets[spelling]
		if !ok {
			i = len(rec.Options)
			r.sets[spelling] = i
			rec.Options = append(rec.Options, OptionSet{Options: set})
		}
		rec.Options[i].Requests++
	})
}

// finish writes the final record.
func (r *recorder) finish(how string) {
	r.change(func(rec *Record) { rec.Ended = how })
	r.write()
}

// write replaces the file by the current record.
func (r *recorder) write() {
	if r.path == "" {
		return
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	data, err := json.Marshal(r.record)
	r.mu.Unlock()
	if err == nil {
		err = replace(r.path, append(data, '\n'))
	}
	if err != nil {
		r.log.print("record.go:1", "ERROR", "write record", fmt.Sprintf("error=%q", err))
	}
}

// replace writes the file completely or not at all. A SIGKILL of the process does not lose data in the page cache.
func replace(path string, data []byte) error {
	partial := path + ".partial"
	if err := os.WriteFile(partial, data, 0o600); err != nil {
		return err
	}
	return os.Rename(partial, path)
}

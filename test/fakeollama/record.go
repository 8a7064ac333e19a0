package fakeollama

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	// eagerRequests is up to which request each arrival is written at once, so that a KILL loses none of them.
	eagerRequests = 100
	// recordInterval is how often the record is written at most after that.
	recordInterval = 50 * time.Millisecond
	// maxBodies bounds what --record-bodies can make the process hold.
	maxBodies = 64 << 20
)

// Record is what a stand-in saw. Proofs, by which a worker tells that answers come and how fast, are counted apart.
type Record struct {
	Argv []string `json:"argv"` // the whole command line
	Env  []string `json:"env"`  // the whole environment, NAME=VALUE
	PID  int      `json:"pid"`

	Requests     int `json:"requests"`       // chat requests that arrived, without proofs
	Proofs       int `json:"proofs"`         //
	Answered     int `json:"answered"`       // complete answers to Requests
	Gone         int `json:"gone"`           // chat requests whose client, or whose server, went before an answer
	Loads        int `json:"loads"`          // how often a real server would have loaded a model
	Pulls        int `json:"pulls"`          // how often it was asked to fetch one
	PeakInFlight int `json:"peak_in_flight"` // chat requests being held at the same time, proofs too
	PeakWorking  int `json:"peak_working"`   // those of them that had a slot

	Listening    time.Time `json:"listening,omitzero"`     // when it listened
	LastProof    time.Time `json:"last_proof,omitzero"`    // when the last proof was answered
	FirstRequest time.Time `json:"first_request,omitzero"` // when the first of Requests arrived
	LastAnswer   time.Time `json:"last_answer,omitzero"`   // when the last of Answered was
	SlotSeconds  float64   `json:"slot_seconds"`           // for which slots were taken, all of them together; one that is freed while a request waits is taken
	WorkSeconds  float64   `json:"work_seconds"`           // for which they were worked in: until such a request has noticed, its slot is not

	Faults  map[string]int    `json:"faults"`           // how often each kind struck
	Options []OptionSet       `json:"options"`          // in the order of their first appearance
	Bodies  []json.RawMessage `json:"bodies,omitempty"` // chat requests without proofs, in order of arrival; a string where it is no JSON
	Cut     bool              `json:"bodies_cut,omitempty"`
	Ended   string            `json:"ended"` // signal, exit, max-life, start-fault; empty while it runs and after a KILL
}

// OptionSet is one set of those options whose change makes a server load the model again.
type OptionSet struct {
	Options  map[string]json.RawMessage `json:"options"`
	Requests int                        `json:"requests"` // loads, proofs and chat requests that had it
}

// ReadRecord reads what a stand-in wrote.
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

// recorder keeps the record and its file.
type recorder struct {
	path   string // empty: no file
	log    *logger
	bodies bool
	dirty  chan struct{} // holds a token when the file is behind

	writing sync.Mutex // held while the file is written

	mu        sync.Mutex
	record    Record
	inFlight  int
	slots     int
	wanting   int       // requests that have a slot or wait for one
	working   int       // those of them that work in it
	counted   time.Time // until when SlotSeconds and WorkSeconds are counted
	bodyBytes int
	sets      map[string]int // index into record.Options
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

// ownFile is the record's file. Where the path is a folder, each of the servers of a run has one there, named for its
// process outside of its namespaces: inside, all have the same number.
func ownFile(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return path
	}
	self, err := os.Readlink("/proc/self")
	if err != nil {
		self = strconv.Itoa(os.Getpid())
	}
	return filepath.Join(path, self+".json")
}

// keep writes the file as often as it may, until the context ends.
func (r *recorder) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.dirty:
		}
		began := time.Now()
		r.write()
		// A record with many bodies takes long to write; it must not become the process's only occupation.
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(recordInterval, 10*time.Since(began))):
		}
	}
}

// change applies f to the record.
func (r *recorder) change(f func(*Record)) {
	r.count(f)
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// count applies f to the record, and leaves the file as it is.
func (r *recorder) count(f func(*Record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.record)
}

// arrive notes a chat request.
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

// want notes that a request is at the door.
func (r *recorder) want() { r.change(r.wanted) }

// giveUp notes that one went from the door without a slot.
func (r *recorder) giveUp() { r.change(r.gaveUp) }

// begin notes that a request works in its slot, and tells how many do now.
func (r *recorder) begin() { r.change(r.began) }

func (r *recorder) end() { r.change(r.ended) }

// wanted counts a request at the door. The lock is held.
func (r *recorder) wanted(rec *Record) {
	r.countSlots(rec)
	r.wanting++
}

// gaveUp counts one that is not there any more and had no slot. The lock is held.
func (r *recorder) gaveUp(rec *Record) {
	r.countSlots(rec)
	r.wanting--
}

// began counts a request at the door that works in a slot now. The lock is held.
func (r *recorder) began(rec *Record) {
	r.countSlots(rec)
	r.working++
	rec.PeakWorking = max(rec.PeakWorking, r.working)
}

// ended counts one that has its slot no more. The lock is held.
func (r *recorder) ended(rec *Record) {
	r.countSlots(rec)
	r.working--
	r.wanting--
}

// countSlots brings the slots' seconds up to now. A slot that is freed belongs to the next request at the door at once, as
// the semaphore gives it away and as a real engine does: when that one's goroutine wakes up is the stand-in's own affair.
// The lock is held.
func (r *recorder) countSlots(rec *Record) {
	now := time.Now()
	since := now.Sub(r.counted).Seconds()
	rec.SlotSeconds += float64(min(r.wanting, r.slots)) * since
	rec.WorkSeconds += float64(r.working) * since
	r.counted = now
}

// struck notes a fault and has it on disk before it strikes, for the process may not live on.
func (r *recorder) struck(k kind) {
	r.change(func(rec *Record) { rec.Faults[string(k)]++ })
	if k == exits {
		r.write()
	}
}

// options notes a set of runner options under its canonical spelling.
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

// finish writes the last record.
func (r *recorder) finish(how string) {
	r.change(func(rec *Record) { rec.Ended = how })
	r.write()
}

// write replaces the file by the record as it is now.
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
		r.log.note("record.go:1", "ERROR", "write record", fmt.Sprintf("error=%q", err))
	}
}

// replace writes the file whole or not at all. A KILL of the process does not lose what is in the page cache.
func replace(path string, data []byte) error {
	partial := path + ".partial"
	if err := os.WriteFile(partial, data, 0o600); err != nil {
		return err
	}
	return os.Rename(partial, path)
}

package lease

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fluxworker/worker/safeopen"
)

// DefaultStale is how long a lock must be unchanged before another process takes it over. It is six heartbeats, because
// a network file system may delay some.
const DefaultStale = 30 * time.Second

// maxPoll is the maximum interval between two checks of another's lock. A check costs two requests to a file server.
const maxPoll = 500 * time.Millisecond

// Options describe a lease.
type Options struct {
	Dir    string      // folder of the locks; it must exist
	Prefix string      // prefix of the lock names; a number follows
	Mode   fs.FileMode // mode of the locks before the umask; other processes that wait must be able to read them
	Self   Holder      // identity of this process
	// Stale is how long another's lock must be unchanged before Acquire takes it over; 0 means DefaultStale.
	Stale time.Duration
	// Patient waits without limit for a live holder. Otherwise Acquire returns a *HeldError if the holder is still
	// alive after the stale time.
	Patient bool
	// OnWait, if not nil, is called once per holder for which Acquire waits.
	OnWait func(Holder)
}

// Lease is a lock that this process holds. Its heartbeat runs until Release.
type Lease struct {
	Options
	// Uncertain is true if the lease was taken over from a holder that may resume before it notices.
	Uncertain bool

	number int
	lock   lock
	every  time.Duration
	stop   chan struct{}
	ended  chan struct{}
}

// lock is the content of a lock file.
type lock struct {
	Holder
	Beat     int64 `json:"beat"`
	Released bool  `json:"released,omitempty"`
}

// seen is a lock file as it was read.
type seen struct {
	number int
	lock   lock
	text   string // the complete content; any change is a sign of life
}

// Acquire blocks until this process holds the lease. It takes over a released lock, or the lock of a holder that is
// certainly gone, at once. Otherwise it waits until the lock is released or unchanged for the stale time. Errors:
// *HeldError, *FileError, or the context's cause.
func Acquire(ctx context.Context, o Options) (*Lease, error) {
	if o.Stale == 0 {
		o.Stale = DefaultStale
	}
	l := &Lease{Options: o, lock: lock{Holder: o.Self}, every: o.Stale / 6, stop: make(chan struct{}), ended: make(chan struct{})}
	var first seen
	var looked time.Time // of the last look at the lock; zero before the first look
	var waited time.Duration
	var notified string // the nonce of the last holder in OnWait
	for {
		now, err := l.newest()
		if err != nil {
			return nil, err
		}
		last := looked
		looked = time.Now()
		if now.number != first.number || last.IsZero() || o.Patient && now.text != first.text {
			first, waited = now, 0
		} else {
			// A file server that hangs holds up the heartbeat and the look alike. So the time between two looks
			// counts as one missed heartbeat at most.
			waited += min(looked.Sub(last), l.every)
		}
		switch {
		case now.number == 0, now.lock.Released, now.lock.Gone(o.Self) != "", waited >= o.Stale && now.text == first.text:
			ours, err := l.create(now.number + 1)
			if err != nil {
				return nil, err
			}
			if ours {
				l.Uncertain = now.number > 0 && !now.lock.Released && !now.lock.dead(o.Self)
				go l.beat()
				return l, nil
			}
			continue // another process was faster
		case waited >= o.Stale:
			return nil, &HeldError{Dir: o.Dir, Holder: now.lock.Holder, Reason: "its lock has a recent heartbeat"}
		}
		if who := "held by " + now.lock.Nonce; notified != who && o.OnWait != nil {
			o.OnWait(now.lock.Holder)
			notified = who
		}
		select {
		case <-time.After(min(o.Stale/60, maxPoll)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// newest returns the lock with the highest number; number is 0 if there is no lock.
func (l *Lease) newest() (seen, error) {
	numbers, err := l.numbers()
	if err != nil || len(numbers) == 0 {
		return seen{}, err
	}
	s := seen{}
	for _, n := range numbers {
		s.number = max(s.number, n)
	}
	data, err := safeopen.Read(l.path(s.number))
	// The file may have been removed or replaced meanwhile; NFS reports the latter as ESTALE.
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESTALE) {
		return seen{}, &FileError{Path: l.path(s.number), Err: err}
	}
	s.text = string(data)
	if json.Unmarshal(data, &s.lock) != nil {
		s.lock = lock{} // truncated by a power cut; only the stale time can decide
	}
	return s, nil
}

func (l *Lease) numbers() ([]int, error) {
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		return nil, &FileError{Path: l.Dir, Err: err}
	}
	var numbers []int
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), l.Prefix)
		if n, err := strconv.Atoi(digits); ok && err == nil && n > 0 && n < maxNumber {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// maxNumber is above all numbers of locks. A lock with a higher number is not ours: no lock could follow the highest number.
const maxNumber = 1_000_000_000

func (l *Lease) path(number int) string {
	return filepath.Join(l.Dir, fmt.Sprintf("%s%06d", l.Prefix, number))
}

// create creates the lock with the given number, unless it exists. It removes older locks, and drafts of processes that
// were killed in create.
func (l *Lease) create(number int) (ours bool, _ error) {
	l.number = number
	err := l.createExclusive()
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) { // ErrNotExist: the next holder took our draft for a dead process's
		return false, nil
	}
	if err != nil {
		return false, &FileError{Path: l.path(number), Err: err}
	}
	numbers, err := l.numbers()
	if err != nil {
		return false, err
	}
	for _, n := range numbers {
		if n > number { // this process was so slow that the number was used and removed meanwhile
			os.Remove(l.path(number))
			return false, nil
		}
	}
	for _, n := range numbers {
		if n < number {
			os.Remove(l.path(n))
		}
	}
	drafts, err := os.ReadDir(l.Dir)
	if err != nil {
		return true, nil // a failed cleanup does not matter
	}
	for _, e := range drafts {
		if name := e.Name(); strings.HasPrefix(name, l.draftPrefix()) {
			os.Remove(filepath.Join(l.Dir, name))
		}
	}
	return true, nil
}

func (l *Lease) draftPrefix() string { return "." + l.Prefix }

// createExclusive creates the lock file, or returns fs.ErrExist.
func (l *Lease) createExclusive() error {
	own, err := l.writeDraft()
	if err != nil {
		return err
	}
	defer os.Remove(own)
	return LinkExclusive(own, l.path(l.number))
}

// writeDraft writes the lock to a new draft. Nobody can guess its name: another user may write to the folder of a model.
func (l *Lease) writeDraft() (path string, err error) {
	path = filepath.Join(l.Dir, l.draftPrefix()+rand.Text())
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, l.Mode)
	if err != nil {
		return path, err
	}
	_, err = f.Write(l.text())
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
	}
	return path, err
}

func (l *Lease) text() []byte {
	data, _ := json.Marshal(l.lock) // strings and numbers cannot fail
	return append(data, '\n')
}

// beat writes heartbeats. It ignores a failed write: a full disk stops the holder elsewhere, and nobody takes over
// before several heartbeats are missing.
func (l *Lease) beat() {
	defer close(l.ended)
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.lock.Beat++
			l.update()
		case <-l.stop:
			return
		}
	}
}

// update rewrites the lock file, if this process still holds the lease.
func (l *Lease) update() {
	if l.Check() != nil {
		return
	}
	if own, err := l.writeDraft(); err == nil && os.Rename(own, l.path(l.number)) != nil {
		os.Remove(own)
	}
}

// Check returns nil if this process still holds the lease, a *HeldError if not, and a *FileError if it cannot find out.
func (l *Lease) Check() error {
	newest, err := l.newest()
	if err != nil {
		return err
	}
	switch {
	case newest.number == l.number && newest.lock.Nonce == l.lock.Nonce:
		return nil
	case newest.number < l.number:
		return &HeldError{Dir: l.Dir, Reason: "our lock was removed from " + filepath.Base(l.Dir)}
	}
	return &HeldError{Dir: l.Dir, Holder: newest.lock.Holder, Reason: "it took over the lock while this process was stopped"}
}

// Release stops the heartbeat and releases the lease.
func (l *Lease) Release() {
	close(l.stop)
	<-l.ended
	l.lock.Released = true
	l.update()
}

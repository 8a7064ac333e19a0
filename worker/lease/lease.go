package lease

import (
	"context"
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
)

// DefaultStale is for how long a lock must show no sign of life before another process takes it over. It is six
// heartbeats: a network file system may hold up a few.
const DefaultStale = 30 * time.Second

// longestPoll is the longest time between two looks at another's lock. A look costs two requests to a file server.
const longestPoll = 500 * time.Millisecond

// Options say which lease is wanted, and how.
type Options struct {
	Dir    string      // the folder that the locks are in; it must be there
	Prefix string      // begins the locks' names; a number follows
	Mode   fs.FileMode // of the locks, less the umask: whoever is to wait for one must be able to read it
	Self   Holder      // who wants it
	// Stale is for how long another's lock must show no sign of life before it is taken over; DefaultStale where it is 0.
	Stale time.Duration
	// Patient waits for a holder that lives for as long as it takes. Without it one that lives so long is a HeldError.
	Patient bool
	// OnWait is told, once for each holder, whom Acquire waits for; nil is told nothing.
	OnWait func(Holder)
}

// Lease is a folder's lock that is ours. Its heart beats until Release.
type Lease struct {
	Options
	// Uncertain tells that the lease was taken over from a holder who may yet come back, before it notices.
	Uncertain bool

	number int
	lock   lock
	every  time.Duration
	stop   chan struct{}
	ended  chan struct{}
}

// lock is what stands in the file.
type lock struct {
	Holder
	Beat     int64 `json:"beat"`
	Released bool  `json:"released,omitempty"`
}

// seen is a lock as somebody finds it.
type seen struct {
	number int
	lock   lock
	text   string // all of it; a change is a sign of life, whatever it says
}

// Acquire gets the lease. It takes over at once what is free or whose holder is certainly gone; for another it waits until
// the lock is given free, or has not changed for the stale time. Errors: HeldError, FileError, or the context's cause.
func Acquire(ctx context.Context, o Options) (*Lease, error) {
	if o.Stale == 0 {
		o.Stale = DefaultStale
	}
	l := &Lease{Options: o, lock: lock{Holder: o.Self}, every: o.Stale / 6, stop: make(chan struct{}), ended: make(chan struct{})}
	var first seen
	var since time.Time
	var told string // the nonce of whom OnWait was told
	for {
		now, err := l.newest()
		if err != nil {
			return nil, err
		}
		if now.number != first.number || since.IsZero() || o.Patient && now.text != first.text {
			first, since = now, time.Now()
		}
		waited := time.Since(since)
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
			continue // somebody was faster; look who
		case waited >= o.Stale:
			return nil, &HeldError{Dir: o.Dir, Holder: now.lock.Holder, Reason: "its lock shows that it lives"}
		}
		if who := "held by " + now.lock.Nonce; told != who && o.OnWait != nil {
			o.OnWait(now.lock.Holder)
			told = who
		}
		select {
		case <-time.After(min(o.Stale/60, longestPoll)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// newest finds the lock with the highest number; none has number 0.
func (l *Lease) newest() (seen, error) {
	numbers, err := l.numbers()
	if err != nil || len(numbers) == 0 {
		return seen{}, err
	}
	s := seen{}
	for _, n := range numbers {
		s.number = max(s.number, n)
	}
	data, err := os.ReadFile(l.path(s.number))
	// It may be gone since, or replaced, which NFS tells its readers.
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESTALE) {
		return seen{}, &FileError{Path: l.path(s.number), Err: err}
	}
	s.text = string(data)
	if json.Unmarshal(data, &s.lock) != nil {
		s.lock = lock{} // cut off by a power cut; only the wait can tell
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
		if n, err := strconv.Atoi(digits); ok && err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

func (l *Lease) path(number int) string {
	return filepath.Join(l.Dir, fmt.Sprintf("%s%06d", l.Prefix, number))
}

// create makes the lock of that number, unless it is there, and removes those before it, and what processes have left that
// were killed while they made a lock.
func (l *Lease) create(number int) (ours bool, _ error) {
	l.number = number
	err := l.createExclusive()
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) { // the next holder took our draft for a dead process's
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
		if n > number { // we were so slow that this number was used and removed meanwhile
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
		return true, nil // a holder that cannot tidy up is a holder
	}
	for _, e := range drafts {
		if name := e.Name(); strings.HasPrefix(name, l.draftPrefix()) && name != filepath.Base(l.draft()) {
			os.Remove(filepath.Join(l.Dir, name))
		}
	}
	return true, nil
}

// draft is the path of the file that becomes this process's lock.
func (l *Lease) draft() string { return filepath.Join(l.Dir, l.draftPrefix()+l.lock.Nonce) }

func (l *Lease) draftPrefix() string { return "." + l.Prefix }

// createExclusive puts the lock in its place; fs.ErrExist where one is there.
func (l *Lease) createExclusive() error {
	own, err := l.writeOwn()
	if err != nil {
		return err
	}
	defer os.Remove(own)
	return LinkExclusive(own, l.path(l.number))
}

// writeOwn puts the lock into a file of this process's own name.
func (l *Lease) writeOwn() (path string, err error) {
	path = l.draft()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, l.Mode)
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

// beat shows at intervals that the holder lives. A beat that fails is none: a full disk stops the holder elsewhere, and
// nobody takes over before several are missing.
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

// update puts the lock in its place again, if it is still ours.
func (l *Lease) update() {
	if l.Check() != nil {
		return
	}
	if own, err := l.writeOwn(); err == nil {
		os.Rename(own, l.path(l.number))
	}
}

// Check tells whether the lease is still ours. The error is a HeldError, or a FileError where that cannot be told.
func (l *Lease) Check() error {
	newest, err := l.newest()
	if err != nil {
		return err
	}
	switch {
	case newest.number == l.number && newest.lock.Nonce == l.lock.Nonce:
		return nil
	case newest.number < l.number:
		return &HeldError{Dir: l.Dir, Reason: "somebody removed our lock from " + filepath.Base(l.Dir)}
	}
	return &HeldError{Dir: l.Dir, Holder: newest.lock.Holder, Reason: "it took the lock over while we were held up"}
}

// Release gives the lease free, and waits until its heart has stopped.
func (l *Lease) Release() {
	close(l.stop)
	<-l.ended
	l.lock.Released = true
	l.update()
}

package result

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

// DefaultStale is for how long a lock must show no sign of life before another run takes the output over. It is six
// heartbeats: a network file system may hold up a few.
const DefaultStale = 30 * time.Second

// longestPoll is the longest time between two looks at another's lock. A look costs two requests to a file server.
const longestPoll = 500 * time.Millisecond

// lockPrefix begins the names of the locks in the run folder; a number follows.
const lockPrefix = "lock."

// lease is the lock on an output: a file that only one process can have created. File locks would be simpler, but many
// Lustre and NFS mounts have none, or none that other nodes see.
//
// Each lock has a number above all before it. Whoever takes an output over creates the next one, which the file system
// lets only one process do, and the highest number holds. So nobody who was slow can take away a lock that is not the one
// he found stale, and a holder that comes back from the dead finds a higher number than his own. A lock that is given free
// stays, marked so, to keep the count.
//
// Whether a holder lives is told by its heartbeat, seen to change or not for a while. Clocks are not compared: those of
// two nodes may differ by more than that.
type lease struct {
	paths  Paths
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

// acquire gets the lock. It takes over at once what is free or whose holder is certainly gone; for another it waits until
// the lock is given free, or has not changed for the stale time. One that lives so long is a HeldError.
func acquire(ctx context.Context, o Options) (*lease, error) {
	stale := o.Stale
	if stale == 0 {
		stale = DefaultStale
	}
	l := &lease{paths: o.Paths, lock: lock{Holder: o.Self}, every: stale / 6, stop: make(chan struct{}), ended: make(chan struct{})}
	var first seen
	var since time.Time
	told := false
	for {
		now, err := l.newest()
		if err != nil {
			return nil, err
		}
		if now.number != first.number || since.IsZero() {
			first, since = now, time.Now()
		}
		waited := time.Since(since)
		switch {
		case now.number == 0, now.lock.Released, now.lock.gone(o.Self) != "", waited >= stale && now.text == first.text:
			ours, err := l.create(now.number + 1)
			if err != nil {
				return nil, err
			}
			if ours {
				go l.beat()
				return l, nil
			}
			continue // somebody was faster; look who
		case waited >= stale:
			return nil, &HeldError{Path: o.Paths.Results, Holder: now.lock.Holder, Reason: "its lock shows that it lives"}
		}
		if !told && o.OnWait != nil {
			o.OnWait(now.lock.Holder)
			told = true
		}
		select {
		case <-time.After(min(stale/60, longestPoll)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// newest finds the lock with the highest number; none has number 0.
func (l *lease) newest() (seen, error) {
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
		return seen{}, &WriteError{Path: l.path(s.number), Err: err}
	}
	s.text = string(data)
	if json.Unmarshal(data, &s.lock) != nil {
		s.lock = lock{} // cut off by a power cut; only the wait can tell
	}
	return s, nil
}

func (l *lease) numbers() ([]int, error) {
	entries, err := os.ReadDir(l.paths.Run)
	if err != nil {
		return nil, &WriteError{Path: l.paths.Run, Err: err}
	}
	var numbers []int
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), lockPrefix)
		if n, err := strconv.Atoi(digits); ok && err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

func (l *lease) path(number int) string {
	return l.paths.In(fmt.Sprintf("%s%06d", lockPrefix, number))
}

// create makes the lock of that number, unless it is there, and removes those before it.
func (l *lease) create(number int) (ours bool, _ error) {
	l.number = number
	err := l.createExclusive()
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, &WriteError{Path: l.path(number), Err: err}
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
	return true, nil
}

// createExclusive puts the lock in its place; fs.ErrExist where one is there.
func (l *lease) createExclusive() error {
	own, err := l.writeOwn()
	if err != nil {
		return err
	}
	defer os.Remove(own)
	return linkExclusive(own, l.path(l.number))
}

// writeOwn puts the lock into a file of this process's own name.
func (l *lease) writeOwn() (path string, err error) {
	path = l.paths.In("." + lockPrefix + l.lock.Nonce)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, l.paths.mode())
	if err != nil {
		return path, err
	}
	_, err = f.Write(l.text())
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
	}
	return path, err
}

func (l *lease) text() []byte {
	data, _ := json.Marshal(l.lock) // strings and numbers cannot fail
	return append(data, '\n')
}

// beat shows at intervals that the holder lives. A beat that fails is none: a full disk stops the run elsewhere, and no
// other run takes over before several are missing.
func (l *lease) beat() {
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
func (l *lease) update() {
	if l.check() != nil {
		return
	}
	if own, err := l.writeOwn(); err == nil {
		os.Rename(own, l.path(l.number))
	}
}

// check tells whether the output is still ours. The error is a HeldError, or a WriteError where that cannot be told.
func (l *lease) check() error {
	newest, err := l.newest()
	if err != nil {
		return err
	}
	switch {
	case newest.number == l.number && newest.lock.Nonce == l.lock.Nonce:
		return nil
	case newest.number < l.number:
		return &HeldError{Path: l.paths.Results, Reason: "somebody removed our lock from " + filepath.Base(l.paths.Run)}
	}
	return &HeldError{Path: l.paths.Results, Holder: newest.lock.Holder, Reason: "it took the output over while we were held up"}
}

// release gives the output free.
func (l *lease) release() {
	close(l.stop)
	<-l.ended
	l.lock.Released = true
	l.update()
}

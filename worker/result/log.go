package result

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"fluxworker/worker/lease"
	"fluxworker/worker/prompt"
)

// Options say how an output is opened.
type Options struct {
	Paths     Paths
	Self      lease.Holder  // who writes
	SyncEvery time.Duration // a line is on disk after this time at the latest
	SyncBytes int64         // and as soon as this many bytes are not; 0 is no limit
	// Stale is for how long the lock of another holder must show no sign of life before it is taken over; lease.DefaultStale
	// where it is 0.
	Stale time.Duration
	// OnWait is told, once, whom Open waits for; nil is told nothing.
	OnWait func(lease.Holder)

	disk disk // the tests' own; nil is the real one
}

// Log takes the lines of one run. Append may be called from many goroutines.
type Log struct {
	paths   Paths
	disk    disk
	hold    hold
	results stream
	errors  stream
	done    Done
	repairs []Repair
	kept    map[uint64]bool // during the recovery: names on several lines of which one has been kept

	syncBytes int64
	waiting   *backlog
	ended     chan struct{} // closed when the writer has ended
	failed    chan struct{} // closed by the writer when err is set
	err       error
}

// stream is one of the two files. The writer owns it once it runs.
type stream struct {
	path    string
	file    file
	keys    *keys
	size    int64 // of the whole lines in it
	dirty   int64 // bytes that are not synced
	lines   int64 // written by this process
	durable atomic.Int64
}

// Open takes the output for this process, creates what is missing, repairs what a kill or a power cut left behind, and
// learns which rows are done. Errors: a HeldError where another process has it, WriteError, CorruptError, or the
// context's: a large output takes a while to read.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.disk == nil {
		o.disk = realDisk{}
	}
	if err := o.Paths.create(); err != nil {
		return nil, err
	}
	held, err := acquire(ctx, o)
	if err != nil {
		return nil, err
	}
	l := &Log{
		paths: o.Paths, disk: o.disk, hold: held, syncBytes: o.SyncBytes, kept: make(map[uint64]bool),
		waiting: newBacklog(), ended: make(chan struct{}), failed: make(chan struct{}),
	}
	l.results.path, l.results.keys = o.Paths.Results, &l.done.answered
	l.errors.path, l.errors.keys = o.Paths.Errors, &l.done.failed
	if err := l.open(ctx); err != nil {
		l.closeFiles()
		held.release()
		return nil, err
	}
	l.kept = nil
	go l.write(o.SyncEvery)
	return l, nil
}

func (l *Log) open(ctx context.Context) (err error) {
	for _, s := range l.streams() {
		if s.file, err = l.openStream(s.path); err != nil {
			return err
		}
	}
	// The files' entries must be as durable as their lines.
	for _, dir := range []string{filepath.Dir(l.paths.Results), l.paths.Run, filepath.Dir(filepath.Dir(l.paths.Results))} {
		if err := l.disk.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrPermission) { // not ours, so not made by us
			return &WriteError{Path: dir, Err: err}
		}
	}
	return l.recoverAll(ctx)
}

func (l *Log) openStream(path string) (file, error) {
	f, err := l.disk.Open(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, l.paths.mode())
	if err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	return f, nil
}

func (l *Log) streams() []*stream { return []*stream{&l.results, &l.errors} }

// Done tells which rows had their line when the output was opened, less those that were dropped.
func (l *Log) Done() *Done { return &l.done }

// Repairs tells what Open mended.
func (l *Log) Repairs() []Repair { return l.repairs }

// Drop takes the lines of rows that are to be asked again, or are no rows any more, out of the files, each by one atomic
// rewrite, and returns how many there were. It must not be called after an Append.
func (l *Log) Drop(ctx context.Context, drop func(k prompt.Key, failed bool) bool) (int64, error) {
	dropped := int64(0)
	for _, s := range l.streams() {
		if s.size == 0 {
			continue
		}
		before := dropped
		err := l.rewrite(ctx, s, func(line parsed) (bool, error) {
			if line.err != nil {
				return false, line.err // it was whole when the file was opened
			}
			if drop(line.key, s == &l.errors) {
				dropped++
				return false, nil
			}
			return true, nil
		}, l.hold.check)
		if err != nil {
			return before, err
		}
	}
	return dropped, nil
}

// Append hands a line to the writer. It returns without waiting for the disk unless many lines are waiting already; an
// error means that the output is lost and names why.
func (l *Log) Append(row prompt.Row, response *Response, failure *Failure) error {
	line := Line{ID: row.Key.String(), CustomID: row.CustomID, Response: response, Error: failure}
	buffer := spare.Get().(*[]byte)
	data, err := line.appendTo((*buffer)[:0])
	if err != nil {
		return err
	}
	to := toErrors
	if line.ok() {
		to = toResults
	}
	taken := l.waiting.add(to, data)
	if cap(data) <= keptBuffer {
		*buffer = data
		spare.Put(buffer)
	}
	if !taken {
		return l.err
	}
	return nil
}

// Durable is how many lines of this process are on disk for good: answers and failures. It may be called from any
// goroutine, and after Close.
func (l *Log) Durable() (answered, failed int64) {
	return l.results.durable.Load(), l.errors.durable.Load()
}

// Close writes and syncs what is waiting, and ends the writer. The output stays ours until Release. No Append may run or
// follow.
func (l *Log) Close() error {
	l.waiting.close()
	<-l.ended
	l.closeFiles()
	return l.err
}

// Release gives the output free. It follows Close.
func (l *Log) Release() { l.hold.release() }

func (l *Log) closeFiles() {
	for _, s := range l.streams() {
		if s.file != nil {
			s.file.Close() // synced before
		}
	}
}

// Failed is closed when the output cannot be written any more. Err then says why.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err is the WriteError or HeldError that closed Failed. Call it after that.
func (l *Log) Err() error { return l.err }

package result

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"fluxworker/worker/prompt"
)

// queued is how many encoded lines may wait for the writer. It covers an fsync of a second on a slow shared filesystem
// at a thousand rows a second; past that the rows wait, not the memory grows.
const queued = 1024

// Log takes the lines of one run. Append may be called from many goroutines.
type Log struct {
	paths   Paths
	results *os.File
	errors  *os.File

	records chan record
	done    chan struct{} // closed when the writer has ended
	failed  chan struct{} // closed by the writer when err is set
	err     error
}

type record struct {
	file *os.File
	path string
	data []byte
}

// Open takes the output for this process, creates what is missing, repairs what a kill left behind, and says which rows
// are done. Errors: ErrHeld where another process has it, WriteError, CorruptError, or the context's: a large output takes
// a while to read.
func Open(ctx context.Context, paths Paths, syncEvery time.Duration) (*Log, *Done, error) {
	if err := paths.create(); err != nil {
		return nil, nil, err
	}
	l := &Log{
		paths:   paths,
		records: make(chan record, queued),
		done:    make(chan struct{}),
		failed:  make(chan struct{}),
	}
	d := &Done{requests: make(map[[8]byte][8]byte), failed: make(map[[8]byte]struct{})}
	if err := l.open(ctx, d); err != nil {
		l.closeFiles()
		return nil, nil, err
	}
	go l.write(syncEvery)
	return l, d, nil
}

func (l *Log) open(ctx context.Context, d *Done) (err error) {
	if l.results, err = openFile(l.paths.Results); err != nil {
		return err
	}
	if err := hold(l.results, l.paths.Results); err != nil {
		return err
	}
	if l.errors, err = openFile(l.paths.Errors); err != nil {
		return err
	}
	// The files' entries must be as durable as their lines.
	if err := syncDir(filepath.Dir(l.paths.Results)); err != nil {
		return &WriteError{Path: filepath.Dir(l.paths.Results), Err: err}
	}
	err = recoverFile(ctx, l.results, l.paths.Results, func(k prompt.Key) { d.requests[k.Name()] = [8]byte(k[8:]) })
	if err != nil {
		return err
	}
	return recoverFile(ctx, l.errors, l.paths.Errors, func(k prompt.Key) {
		d.requests[k.Name()] = [8]byte(k[8:])
		d.failed[k.Name()] = struct{}{}
	})
}

func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	return f, nil
}

// hold locks the results file itself: two names of one file are one output. The kernel lets go of the lock when the
// process ends, however it ends.
func hold(f *os.File, path string) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrHeld
	}
	if err != nil {
		return &WriteError{Path: path, Err: err}
	}
	return nil
}

// Append hands a line to the writer. It returns without waiting for the disk unless many lines are waiting already; an
// error means that the output is lost and names why.
func (l *Log) Append(row prompt.Row, response *Response, failure *Failure) error {
	line := Line{ID: row.Key.String(), CustomID: row.CustomID, Response: response, Error: failure}
	data, err := line.encode()
	if err != nil {
		return err
	}
	r := record{file: l.errors, path: l.paths.Errors, data: data}
	if line.ok() {
		r.file, r.path = l.results, l.paths.Results
	}
	select {
	case l.records <- r:
		return nil
	case <-l.failed:
		return l.err
	}
}

// Close writes and syncs what is waiting, and gives the output free. No Append may run or follow.
func (l *Log) Close() error {
	close(l.records)
	<-l.done
	l.closeFiles()
	return l.err
}

func (l *Log) closeFiles() {
	for _, f := range []*os.File{l.errors, l.results} {
		if f != nil {
			f.Close() // synced before; the lock goes with the results, last
		}
	}
}

// Failed is closed when the output cannot be written any more. Err then says why.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err is the WriteError that closed Failed. Call it after that.
func (l *Log) Err() error { return l.err }

// write is the one writer. After a failure it goes on only to empty the queue, so that nobody blocks on it.
func (l *Log) write(syncEvery time.Duration) {
	defer close(l.done)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	dirty := make(map[*os.File]string, 2)
	for {
		select {
		case r, open := <-l.records:
			if !open {
				l.sync(dirty)
				return
			}
			if l.err != nil {
				continue
			}
			if _, err := r.file.Write(r.data); err != nil {
				l.fail(r.path, err)
				continue
			}
			dirty[r.file] = r.path
		case <-tick.C:
			l.sync(dirty)
		}
	}
}

func (l *Log) sync(dirty map[*os.File]string) {
	for f, path := range dirty {
		if err := f.Sync(); err != nil && l.err == nil {
			l.fail(path, err)
		}
		delete(dirty, f)
	}
}

func (l *Log) fail(path string, err error) {
	l.err = &WriteError{Path: path, Err: err}
	close(l.failed)
}

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
	"fluxworker/worker/safeopen"
)

// Options say how to open an output.
type Options struct {
	Paths     Paths
	Self      lease.Holder  // identity of this process in the lock
	SyncEvery time.Duration // maximum time until a line is on disk
	SyncBytes int64         // maximum number of unsynced bytes; 0 means no limit
	// Stale is how long the lock of another holder must show no sign of life before Open takes it over. 0 means
	// lease.DefaultStale.
	Stale time.Duration
	// OnWait, if not nil, is called once with the holder for which Open waits.
	OnWait func(lease.Holder)

	disk disk // set by tests; nil means the real disk
}

// Log is the durable log of one run's lines. Append is safe for concurrent use.
type Log struct {
	paths   Paths
	disk    disk
	hold    hold
	results stream
	errors  stream
	done    Done
	repairs []Repair
	kept    map[uint64]bool // during the recovery: names with several lines; the first one was kept

	syncBytes int64
	waiting   *writeBuffer
	ended     chan struct{} // closed when the writer has ended
	failed    chan struct{} // closed by the writer when err is set
	err       error
}

// stream is one of the two files. The writer goroutine owns it while it runs.
type stream struct {
	path    string
	file    file
	keys    *fileKeys
	size    int64 // size in bytes of the complete lines
	dirty   int64 // number of bytes that are not synced
	lines   int64 // number of lines written by this process
	durable atomic.Int64
}

// Open acquires the output, creates missing files, repairs the damage of a kill or power cut, and reads which rows are
// done. It returns a *HeldError if another process holds the output, a *WriteError, a *CorruptError, or the context's
// error: reading a large output takes a while.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.disk == nil {
		o.disk = realDisk{trust: trustOf(o.Paths)}
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
		waiting: newWriteBuffer(), ended: make(chan struct{}), failed: make(chan struct{}),
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
	safeopen.RemoveAllDrafts(l.paths.Run) // left by kills
	l.disk.RemoveDrafts(l.results.path)
	l.disk.RemoveDrafts(l.errors.path)
	for _, s := range l.streams() {
		if s.file, err = l.openStream(s.path); err != nil {
			return err
		}
	}
	// The folder entries of the files must be as durable as the lines.
	for _, dir := range []string{filepath.Dir(l.paths.Results), l.paths.Run, filepath.Dir(filepath.Dir(l.paths.Results))} {
		if err := l.disk.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrPermission) { // a folder of another owner, which this process did not create
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
	err = l.disk.Own(path, f)
	elsewhere := errors.Is(err, errOpenElsewhere) || errors.Is(err, errSecondName)
	switch {
	case err == nil, errors.Is(err, errOpenElsewhere) && l.hold.lease.Uncertain: // the former holder, which fence shuts out
		return f, nil
	case elsewhere:
		err = &HeldError{Path: path, Reason: err.Error()}
	default:
		err = &WriteError{Path: path, Err: err}
	}
	f.Close()
	return nil, err
}

func (l *Log) streams() []*stream { return []*stream{&l.results, &l.errors} }

// Done returns the rows that had a line when the output was opened, without dropped lines.
func (l *Log) Done() *Done { return &l.done }

// Repairs returns the repairs that Open made.
func (l *Log) Repairs() []Repair { return l.repairs }

// Edit is the change of one line by Log.Edit. The zero Edit keeps the line.
type Edit struct {
	Drop     bool   // remove the line
	CustomID string // the new custom_id; "" keeps it
	Line     int64  // the new number for an error that names its line of the input; 0 keeps it
}

// Edit removes lines of rows that must run again or do not exist any more, and renames lines of rows that have another name in
// the input now. It rewrites each file atomically, and returns the number of lines that it kept and
// changed. Do not call Edit after Append.
func (l *Log) Edit(ctx context.Context, edit func(k prompt.Key, failed bool) Edit) (changed int64, _ error) {
	for _, s := range l.streams() {
		if s.size == 0 {
			continue
		}
		before := changed
		err := l.rewrite(ctx, s, func(line parsed) ([]byte, error) {
			if line.err != nil {
				return nil, line.err // the line was valid when the file was opened
			}
			e := edit(line.key, s == &l.errors)
			if e.Drop {
				return nil, nil
			}
			text, err := restate(line.text, e.CustomID, e.Line)
			if err == nil && &text[0] != &line.text[0] {
				changed++
			}
			return text, err
		}, l.hold.check)
		if err != nil {
			return before, err
		}
	}
	l.done.names = nil
	return changed, nil
}

// Append passes a line to the writer. It does not wait for the disk, unless too many lines are waiting already. An
// error means that the output is lost, and says why.
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

// Durable returns how many answers and failures of this process are on disk. It is safe for concurrent use and valid
// after Close.
func (l *Log) Durable() (answered, failed int64) {
	return l.results.durable.Load(), l.errors.durable.Load()
}

// Close writes and syncs the waiting lines and ends the writer. This process holds the output until Release. No call of
// Append may overlap Close or follow it.
func (l *Log) Close() error {
	l.waiting.close()
	<-l.ended
	l.closeFiles()
	return l.err
}

// Release releases the output. Call it after Close.
func (l *Log) Release() { l.hold.release() }

func (l *Log) closeFiles() {
	for _, s := range l.streams() {
		if s.file != nil {
			s.file.Close() // already synced
		}
	}
}

// Failed returns a channel that is closed when the output cannot be written any more. Err returns the reason then.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err returns the *WriteError or *HeldError that closed Failed. Call it only after Failed is closed.
func (l *Log) Err() error { return l.err }

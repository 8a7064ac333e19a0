package result

import (
	"bytes"
	"errors"
	"time"
)

// writeEvery is the minimum interval between writes. At more than a thousand rows per second, several lines share a
// write and a context switch.
const writeEvery = time.Millisecond

// write is the only writer. After a failure it only empties the buffer, so that no caller blocks.
func (l *Log) write(syncEvery time.Duration) {
	defer close(l.ended)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-l.waiting.wake:
			l.writeWaiting()
			rest.Reset(writeEvery)
			select {
			case <-rest.C:
			case <-l.waiting.closed:
			}
		case <-tick.C:
			l.writeWaiting()
			l.sync()
		case <-l.waiting.closed:
			l.writeWaiting()
			l.finish()
			return
		}
	}
}

// writeWaiting writes the waiting lines.
func (l *Log) writeWaiting() {
	lines := l.waiting.take()
	for i, s := range l.streams() {
		if l.err == nil && len(lines[i]) > 0 {
			l.append(s, lines[i])
		}
	}
	if l.syncBytes > 0 && l.results.dirty+l.errors.dirty >= l.syncBytes {
		l.sync()
	}
}

// append writes lines. If the write fails in the middle of a line, it cuts the incomplete line.
func (l *Log) append(s *stream, lines []byte) {
	n, err := s.file.Write(lines)
	whole := bytes.LastIndexByte(lines[:n], '\n') + 1
	s.size += int64(whole)
	s.dirty += int64(whole)
	s.lines += int64(bytes.Count(lines[:whole], newline))
	if err != nil {
		if l.hold.check() == nil { // otherwise the truncation would cut lines of another run
			s.file.Truncate(s.size) // if this fails, too, the next run cuts the tail
		}
		l.flush() // may still save earlier lines
		l.fail(l.writeError(s, err))
	}
}

// writeError returns the error of a failed write: a *HeldError if the write failed because another run has taken over
// the output and replaced the file, which NFS reports as a stale file handle. Otherwise it returns a *WriteError.
func (l *Log) writeError(s *stream, err error) error {
	var held *HeldError
	if errors.As(l.hold.check(), &held) {
		return held
	}
	return &WriteError{Path: s.path, Err: err}
}

var newline = []byte("\n")

// sync syncs the written lines.
func (l *Log) sync() {
	if l.err != nil {
		return
	}
	if err := l.flush(); err != nil {
		l.fail(err)
	}
}

// finish syncs the last lines, and checks the files also without such lines: somebody may have changed them since the last
// sync.
func (l *Log) finish() {
	if l.err != nil {
		return
	}
	if err := l.syncFiles(); err != nil {
		l.fail(err)
	}
}

// flush checks that this process still holds the output and then syncs the files. After a long stop, another run may
// have taken over the output.
func (l *Log) flush() error {
	if l.results.dirty+l.errors.dirty == 0 {
		return nil
	}
	return l.syncFiles()
}

// syncFiles syncs the files, and checks that nobody else has replaced, cut or extended one of them.
func (l *Log) syncFiles() error {
	if err := l.hold.check(); err != nil {
		return err
	}
	for _, s := range l.streams() {
		if s.dirty > 0 {
			if err := s.file.Sync(); err != nil {
				return l.writeError(s, err)
			}
		}
		if err := l.disk.CheckPath(s.path, s.file, s.size); err != nil {
			return l.writeError(s, err)
		}
		s.dirty = 0
		s.durable.Store(s.lines)
	}
	return nil
}

// fail stores the first failure.
func (l *Log) fail(err error) {
	if l.err == nil {
		l.err = err
		close(l.failed)
		l.waiting.giveUp()
	}
}

package result

import (
	"bytes"
	"time"
)

// writeEvery is how often lines are written where they come fast: more rows a second than this has milliseconds are written
// together, which takes a write and a switch off each of them.
const writeEvery = time.Millisecond

// write is the one writer. After a failure it goes on only to empty the backlog, so that nobody blocks on it.
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
			l.sync()
			return
		}
	}
}

// writeWaiting writes what waits.
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

// append writes lines. Where that fails, half a line may stand at the end: what is intact stays, and no more.
func (l *Log) append(s *stream, lines []byte) {
	n, err := s.file.Write(lines)
	whole := bytes.LastIndexByte(lines[:n], '\n') + 1
	s.size += int64(whole)
	s.dirty += int64(whole)
	s.lines += int64(bytes.Count(lines[:whole], newline))
	if err != nil {
		if l.hold.check() == nil { // or it would cut off what another run has written since
			s.file.Truncate(s.size) // should it fail, too, the next run cuts the tail
		}
		l.flush() // what was written before may be saved yet
		l.fail(&WriteError{Path: s.path, Err: err})
	}
}

var newline = []byte("\n")

// sync makes durable what was written.
func (l *Log) sync() {
	if l.err != nil {
		return
	}
	if err := l.flush(); err != nil {
		l.fail(err)
	}
}

// flush looks whether the output is still ours before it syncs the files: whoever was stopped for long may find that
// another run has taken it over.
func (l *Log) flush() error {
	if l.results.dirty+l.errors.dirty == 0 {
		return nil
	}
	if err := l.hold.check(); err != nil {
		return err
	}
	for _, s := range l.streams() {
		if s.dirty == 0 {
			continue
		}
		if err := s.file.Sync(); err != nil {
			return &WriteError{Path: s.path, Err: err}
		}
		if !l.disk.Holds(s.path, s.file) {
			return &WriteError{Path: s.path, Err: errReplaced}
		}
		s.dirty = 0
		s.durable.Store(s.lines)
	}
	return nil
}

// fail notes the first failure.
func (l *Log) fail(err error) {
	if l.err == nil {
		l.err = err
		close(l.failed)
		l.waiting.giveUp()
	}
}

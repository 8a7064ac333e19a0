package result

import "sync"

// mostWaiting is how many bytes of lines may wait for the writer, and as many again are with it. That covers an fsync of a
// second on a slow shared filesystem at 30,000 rows a second; past it the rows wait, not the memory grows.
const mostWaiting = 32 << 20

// The files in the order of Log.streams.
const (
	toResults = iota
	toErrors
	files
)

// batches are whole lines for each of the files.
type batches [files][]byte

// backlog holds lines until the writer takes them, all at once. Whoever brings a line holds the lock for a copy of it, and the
// writer for an exchange of two slices; a channel would have cost a switch for each line.
type backlog struct {
	wake   chan struct{} // holds a token while there is something to write
	closed chan struct{}

	mu      sync.Mutex
	room    sync.Cond // there is some again, or there is no use in waiting for it
	lines   batches
	taken   batches // by the writer, last
	givenUp bool
}

func newBacklog() *backlog {
	b := &backlog{wake: make(chan struct{}, 1), closed: make(chan struct{})}
	b.room.L = &b.mu
	return b
}

// add appends a line, once there is room for it. It returns false when nothing will be written any more.
func (b *backlog) add(to int, line []byte) bool {
	b.mu.Lock()
	for n := b.bytes(); n > 0 && n+len(line) > mostWaiting && !b.givenUp; n = b.bytes() {
		b.room.Wait()
	}
	givenUp := b.givenUp
	if !givenUp {
		b.lines[to] = append(b.lines[to], line...)
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return !givenUp
}

func (b *backlog) bytes() (n int) {
	for _, lines := range b.lines {
		n += len(lines)
	}
	return n
}

// take returns what waits. It is valid until the next call.
func (b *backlog) take() batches {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := b.taken
	b.taken = b.lines
	for i := range last {
		if b.lines[i] = last[i][:0]; cap(last[i]) > keptBuffer {
			b.lines[i] = nil
		}
	}
	b.room.Broadcast()
	return b.taken
}

// close says that no line will come any more.
func (b *backlog) close() { close(b.closed) }

// giveUp says that no line will be written any more.
func (b *backlog) giveUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.givenUp = true
	b.room.Broadcast()
}

package result

import "sync"

// maxWaiting is the size limit in bytes for lines that wait for the writer; the writer holds as much again. That covers
// an fsync of one second on a slow shared file system at 30,000 rows per second. Beyond the limit the callers wait, so
// memory does not grow.
const maxWaiting = 32 << 20

// Indexes of the files, in the order of Log.streams.
const (
	toResults = iota
	toErrors
	files
)

// batches holds complete lines for each file.
type batches [files][]byte

// writeBuffer collects lines until the writer takes all of them at once. A caller holds the lock while it copies its
// line, and the writer while it swaps two slices. A channel would cost a context switch per line.
type writeBuffer struct {
	wake   chan struct{} // holds a token if there are lines to write
	closed chan struct{}

	mu      sync.Mutex
	space   sync.Cond // signals free space, or the end of the writing
	lines   batches
	taken   batches // the lines that the writer took last
	givenUp bool
}

func newWriteBuffer() *writeBuffer {
	b := &writeBuffer{wake: make(chan struct{}, 1), closed: make(chan struct{})}
	b.space.L = &b.mu
	return b
}

// add appends a line and waits for space if necessary. It returns false if no more lines will be written.
func (b *writeBuffer) add(to int, line []byte) bool {
	b.mu.Lock()
	for n := b.bytes(); n > 0 && n+len(line) > maxWaiting && !b.givenUp; n = b.bytes() {
		b.space.Wait()
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

func (b *writeBuffer) bytes() (n int) {
	for _, lines := range b.lines {
		n += len(lines)
	}
	return n
}

// take returns all waiting lines. They are valid until the next call.
func (b *writeBuffer) take() batches {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := b.taken
	b.taken = b.lines
	for i := range last {
		if b.lines[i] = last[i][:0]; cap(last[i]) > keptBuffer {
			b.lines[i] = nil
		}
	}
	b.space.Broadcast()
	return b.taken
}

// close announces that no more lines will be added.
func (b *writeBuffer) close() { close(b.closed) }

// giveUp announces that no more lines will be written.
func (b *writeBuffer) giveUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.givenUp = true
	b.space.Broadcast()
}

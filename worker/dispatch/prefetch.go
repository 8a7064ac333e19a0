package dispatch

import (
	"context"

	"golang.org/x/sync/semaphore"

	"fluxworker/worker/input"
	"fluxworker/worker/prompt"
)

const (
	// prefetchBytes limits the sum of the large rows that wait, in bytes: rows with images have megabytes each.
	prefetchBytes = 32 << 20
	// largeRow is the size, in bytes, from which a row counts against prefetchBytes. The sum of smaller rows does not matter.
	largeRow = 64 << 10
)

// prefetch holds parsed rows that wait for a lane, in the order of the input.
type prefetch struct {
	rows  chan prompt.Row
	bytes *semaphore.Weighted
}

func newPrefetch() *prefetch {
	return &prefetch{rows: make(chan prompt.Row, input.Prefetched), bytes: semaphore.NewWeighted(prefetchBytes)}
}

// push waits for room and adds a row. It returns false when the context ends first.
func (p *prefetch) push(ctx context.Context, row prompt.Row) bool {
	if n := weigh(&row); n > 0 && p.bytes.Acquire(ctx, n) != nil {
		return false
	}
	select {
	case p.rows <- row:
		return true
	case <-ctx.Done():
		return false
	}
}

// release frees the room of a row that was taken from rows.
func (p *prefetch) release(row *prompt.Row) {
	if n := weigh(row); n > 0 {
		p.bytes.Release(n)
	}
}

// weigh returns the part of prefetchBytes that a row takes, in bytes; a row that is larger than prefetchBytes takes all of
// it.
func weigh(row *prompt.Row) int64 {
	n := bytesOf(&row.Request)
	if n < largeRow {
		return 0
	}
	return min(int64(n), prefetchBytes)
}

// bytesOf returns the size of the fields of a request that may be long, in bytes.
func bytesOf(r *prompt.Request) int {
	n := len(r.Suffix) + len(r.Body)
	for i := range r.Messages {
		m := &r.Messages[i]
		n += len(m.Content) + len(m.Reasoning)
		for _, image := range m.Images {
			n += len(image)
		}
		for _, call := range m.ToolCalls {
			n += len(call.Arguments)
		}
	}
	for i := range r.Tools {
		n += len(r.Tools[i].Description) + len(r.Tools[i].Parameters)
	}
	if r.Structure != nil {
		n += len(r.Structure.Schema)
	}
	if r.Embedding != nil {
		for _, text := range r.Embedding.Input {
			n += len(text)
		}
	}
	return n
}

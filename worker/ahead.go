package worker

import (
	"context"

	"golang.org/x/sync/semaphore"

	"fluxworker/worker/prompt"
)

const (
	// parsedAhead is how many rows wait parsed, so that no slot waits for the parser.
	parsedAhead = 64
	// bytesAhead is how large the large ones of these may be together: rows with images are megabytes each.
	bytesAhead = 32 << 20
	// largeRow is from how many bytes on a row counts. Others are too small for their sum to matter, and pay nothing.
	largeRow = 64 << 10
)

// ahead is the rows that wait parsed, in input order. The reader closes rows.
type ahead struct {
	rows  chan prompt.Row
	bytes *semaphore.Weighted
}

func newAhead() *ahead {
	return &ahead{rows: make(chan prompt.Row, parsedAhead), bytes: semaphore.NewWeighted(bytesAhead)}
}

// put has a row wait once there is room for it. It is false when the context ends first.
func (a *ahead) put(ctx context.Context, row prompt.Row) bool {
	if n := takes(&row); n > 0 && a.bytes.Acquire(ctx, n) != nil {
		return false
	}
	select {
	case a.rows <- row:
		return true
	case <-ctx.Done():
		return false
	}
}

// taken gives the room of a row free that came out of rows.
func (a *ahead) taken(row *prompt.Row) {
	if n := takes(row); n > 0 {
		a.bytes.Release(n)
	}
}

// takes is how much of bytesAhead a row takes; one that is larger than all of it waits alone.
func takes(row *prompt.Row) int64 {
	n := bytesOf(&row.Request)
	if n < largeRow {
		return 0
	}
	return min(int64(n), bytesAhead)
}

// bytesOf is the sum of what in a request may be long.
func bytesOf(r *prompt.Request) int {
	n := len(r.Suffix)
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

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
	n := 0
	for i := range row.Request.Messages {
		m := &row.Request.Messages[i]
		n += len(m.Content)
		for _, image := range m.Images {
			n += len(image)
		}
	}
	if n < largeRow {
		return 0
	}
	return min(int64(n), bytesAhead)
}

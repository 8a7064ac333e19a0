package batcher

const (
	// FirstSlots is the number of slots from which the best number of rows at once is looked for, where a server does not tell its
	// slots.
	FirstSlots = 8
	// MaxFoundSlots is the largest number that is looked for: servers with more have room for most models.
	MaxFoundSlots = 512
)

// InFlight returns the number of rows in flight for a server with the given slots: its slots plus a look-ahead of a
// quarter of them, at least one row. The look-ahead fills a freed slot without waiting for an answer and the next request.
// Rows that begin together end together, and they need a quarter (test/bench, figure b). The server queues the look-ahead,
// and queue time counts against the request timeout, so the look-ahead stays small.
func InFlight(slots int) int { return slots + max(1, slots/4) }

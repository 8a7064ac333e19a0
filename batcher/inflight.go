package batcher

// InFlight returns how many rows are with a server of so many slots at once: its slots, and a look-ahead of a quarter, at
// least one row, so that a slot that falls free does not stand empty for the time that an answer and the next request
// take. Rows that began together end together, and a quarter is what they need (test/bench, figure b). The server queues the
// look-ahead, and queue time counts against the request timeout, so the look-ahead stays small.
func InFlight(slots int) int { return slots + max(1, slots/4) }

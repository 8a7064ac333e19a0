package fleet

import "sync"

// ledger holds the host memory of each server of a run.
type ledger struct {
	mu   sync.Mutex
	held map[*Server]int64 // bytes
}

// set records the memory of one server, and returns the sum over all servers, in bytes, and whether no server holds more.
func (l *ledger) set(s *Server, bytes int64) (total int64, largest bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(map[*Server]int64)
	}
	l.held[s] = bytes
	largest = true
	for _, n := range l.held {
		total += n
		largest = largest && n <= bytes
	}
	return total, largest
}

// forget removes a server that has ended.
func (l *ledger) forget(s *Server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, s)
}

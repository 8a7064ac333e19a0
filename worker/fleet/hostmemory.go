package fleet

import "sync"

// ledger adds up what the servers of a run hold of the host's memory.
type ledger struct {
	mu   sync.Mutex
	held map[*Server]int64
}

// add takes what one server holds, in bytes, and returns what all hold, and whether this server holds most.
func (l *ledger) add(s *Server, bytes int64) (total int64, most bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(map[*Server]int64)
	}
	l.held[s] = bytes
	most = true
	for _, n := range l.held {
		total += n
		most = most && n <= bytes
	}
	return total, most
}

// forget takes out a server that has ended.
func (l *ledger) forget(s *Server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, s)
}

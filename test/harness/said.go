package harness

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"fluxworker/test/await"
)

// Said collects the output of processes. It may be read while they print.
type Said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds what was printed.
func (s *Said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// String returns all of it.
func (s *Said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// AwaitSaid waits until the worker has said this on standard error.
func (j *Job) AwaitSaid(text string) {
	j.T.Helper()
	await.Until(j.T, fmt.Sprintf("standard error to say %q", text), func() bool { return strings.Contains(j.Stderr.String(), text) })
}

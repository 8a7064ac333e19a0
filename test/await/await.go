// Package await waits in tests for conditions without an event: a file that another process writes, a process that
// ends.
package await

import (
	"testing"
	"time"
)

// Patience limits each wait of the tests. No test needs this time: a test continues as soon as its condition is true,
// also on a busy machine. Only a condition that never becomes true takes so long.
const Patience = 10 * time.Minute

// Until polls until done returns true, and fails the test after Patience. what completes "waited for …".
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %s for %s", Patience, what)
		}
	}
}

// Package await waits in tests for what gives no event: a file that another process writes, a process that ends.
package await

import (
	"testing"
	"time"
)

// Patience bounds each wait of the tests. It is no time that a test needs: a test goes on as soon as what it waits for is
// there, also on a machine that is busy with ten other things. Only what never comes is given up after it.
const Patience = 5 * time.Minute

// Until polls until done returns true, and fails the test when that does not come. what completes "waited for …".
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %s for %s", Patience, what)
		}
	}
}

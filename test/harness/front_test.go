package harness

import "testing"

// A front is of use only if it is not in the way.
func TestFrontNeedsARealServer(t *testing.T) {
	if code := serveFront([]string{"/nonexistent/ollama", "serve"}); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

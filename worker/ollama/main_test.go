package ollama

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"fluxworker/test/fakeollama"
)

const fake = "fakeollama"

// TestMain makes the test binary what the worker's binary is, a guard, and a stand-in server.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == GuardCommand:
		os.Exit(Guard(os.Args[2:]))
	case len(os.Args) > 1 && os.Args[1] == fake:
		os.Args = os.Args[1:]
		os.Exit(fakeollama.Main())
	case len(os.Args) > 2 && os.Args[1] == helperCommand:
		os.Exit(helperMain(os.Args[2]))
	case os.Args[0] == fake: // the stand-in's child
		os.Exit(fakeollama.Main())
	}
	goleak.VerifyTestMain(m)
}

package harness

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"fluxworker/test/fakeollama"
)

// Main serves as the TestMain of a suite. It makes the test program a stand-in server or a front, where it is started as such;
// otherwise it runs the tests, and fails where one has left a goroutine behind.
func Main(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case frontCommand:
			os.Exit(serveFront(os.Args[2:]))
		case standInCommand:
			os.Args = os.Args[1:]
			os.Exit(fakeollama.Main())
		}
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// self returns the path of the suite's test program.
func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

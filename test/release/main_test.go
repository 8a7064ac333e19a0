package release

import (
	"os"
	"testing"

	"fluxworker/test/harness"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == roomCommand {
		os.Exit(enterRoom(os.Args[2], os.Args[3:]))
	}
	harness.Main(m)
}

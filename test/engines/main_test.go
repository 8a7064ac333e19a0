package engines

import (
	"flag"
	"testing"

	"fluxworker/test/harness"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "4") // jobs at once: each waits, too, for the start of its server or for the end of a server that hangs
	harness.Main(m)
}

var at = harness.At

package engines

import (
	"flag"
	"testing"

	"fluxworker/test/harness"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "4") // a run also waits: for the start of its server, and for the end of a server that hangs
	harness.Main(m)
}

var at = harness.At

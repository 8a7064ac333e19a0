package standin

import (
	"flag"
	"testing"

	"fluxworker/test/harness"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // a run mostly waits for its server, not for a CPU
	harness.Main(m)
}

var at = harness.At

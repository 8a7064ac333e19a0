package cluster

import (
	"flag"
	"testing"

	"fluxworker/test/harness"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "6") // a job mostly waits for SLURM's timers, not for a CPU
	harness.Main(m)
}

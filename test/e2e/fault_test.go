package e2e

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"fluxworker/test/fakeollama"
)

var (
	faultRows = flag.Int("torture.faultrows", 3000, "rows that are answered by a server that fails")
	faultSeed = flag.Uint64("torture.faultseed", 1, "seed of the failures")
)

// standInCommand makes the test binary a server that fails on demand: "standin [flags] serve".
const standInCommand = "standin"

// faultKinds are the ways in which one request fails. All of them are the server's fault, and none lasts.
var faultKinds = []string{"refused", "reset", "half", "500", "503", "hang", "garbage", "undone", "slow"}

// useStandIn puts a stand-in in the place of the job's server. It records what it saw; see standInRecord.
func (j *job) useStandIn(flags ...string) {
	j.t.Helper()
	self, err := os.Executable()
	if err != nil {
		j.t.Fatal(err)
	}
	command := append([]string{self, standInCommand, "--max-life", "5m", "--record", j.path("record.json")}, flags...)
	j.args = append(j.args, "--ollama", strings.Join(command, " "), "--ollama-models", j.dir)
}

// eachIsolation runs a test on a server in namespaces of its own, and on one that is held by its guard alone.
func eachIsolation(t *testing.T, test func(t *testing.T, isolate string)) {
	for _, isolate := range []string{"auto", "never"} {
		t.Run("isolate "+isolate, func(t *testing.T) { test(t, isolate) })
	}
}

// A server may fail one request in twenty, in every way: each row is answered once and by its own answer, and none is
// blamed.
func TestTortureByFaults(t *testing.T) {
	eachIsolation(t, func(t *testing.T, isolate string) {
		t.Parallel()
		j := newJob(t, generation{}, "--isolate", isolate, "--request-timeout", "3s", "--log-level", "error")
		flags := []string{"--seed", fmt.Sprint(*faultSeed)}
		for _, kind := range faultKinds {
			flags = append(flags, "--fault", fmt.Sprintf("%s:%.5f", kind, 0.05/float64(len(faultKinds))))
		}
		j.useStandIn(flags...)
		j.writeRows(*faultRows)
		j.run(0)
		j.checkRows(*faultRows)
		if n := len(j.lines("results-errors.jsonl")); n > 0 {
			t.Errorf("%d rows were blamed for the server's failures", n)
		}
		data, err := os.ReadFile(j.path("results.jsonl"))
		if err != nil || !strings.Contains(string(data), `"retries":1`) {
			t.Errorf("no line tells that its row was asked again (%v)", err)
		}
		record, err := fakeollama.ReadRecord(j.path("record.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range faultKinds {
			if record.Faults[kind] == 0 {
				t.Errorf("%s never struck", kind)
			}
		}
		t.Logf("%d requests for %d rows; faults %v", record.Requests, *faultRows, record.Faults)
	})
}

package standin

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"fluxworker/test/harness"
	"fluxworker/test/seed"
)

// faultKinds are the ways in which one request fails. All of them are the server's fault, and none lasts.
var faultKinds = []string{"refused", "reset", "half", "500", "503", "hang", "garbage", "undone", "slow"}

// A server may fail one request in twenty, in every way: each row is answered once and by its own answer, and no row is
// blamed.
func TestTortureByFaults(t *testing.T) {
	const rows = 3000
	harness.EachIsolation(t, func(t *testing.T, isolate string) {
		t.Parallel()
		seed.EachNumber(t, []uint64{1}, func(t *testing.T, seed uint64) {
			// The request timeout is what a hang costs. Where the machine is so busy that an answer takes as long, the row is asked
			// once more, as often as it takes.
			j := harness.New(t, "--isolate", isolate, "--request-timeout", "3s", "--max-retries", "100", "--max-restarts", "1000", "--log-level", "error")
			flags := []string{"--seed", fmt.Sprint(seed)}
			for _, kind := range faultKinds {
				flags = append(flags, "--fault", fmt.Sprintf("%s:%.5f", kind, 0.05/float64(len(faultKinds))))
			}
			j.UseStandIn(flags...)
			j.WriteRows(rows)
			j.Run(0)
			j.CheckRows(rows)
			j.CheckBlameless()
			data, err := os.ReadFile(j.Path("results.jsonl"))
			if err != nil || !strings.Contains(string(data), `"retries":1`) {
				t.Errorf("no line says that its row was asked again (%v)", err)
			}
			record := j.Record()
			for _, kind := range faultKinds {
				if record.Faults[kind] == 0 {
					t.Errorf("%s never struck", kind)
				}
			}
			t.Logf("%d requests for %d rows; faults %v", record.Requests, rows, record.Faults)
		})
	})
}

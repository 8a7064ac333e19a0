package standin

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/await"
	"fluxworker/test/harness"
)

// treeRow is a row whose answer is a chain of objects. Its check takes three times as many steps for each object more.
func treeRow(id string, objects int) string {
	const tree = `{"properties":{"l":{"$ref":"#/$defs/tree"},"o":{"const":%d}}}`
	answer := strings.Repeat(`{"o":4,"l":`, objects) + "1" + strings.Repeat("}", objects)
	return fmt.Sprintf(`{"custom_id":%q,"body":{"messages":[{"role":"user","content":"x 3"}],"response_format":{"type":"json_schema","json_schema":{"name":"t","schema":`+
		`{"$ref":"#/$defs/tree","$defs":{"tree":{"anyOf":[`+tree+`,`+tree+`,`+tree+`]}},"default":%s}}}}}`, id, 1, 2, 3, answer)
}

// A check of an answer that would take years is the end of its row, and a second signal ends a run whose answers take
// long to check, however many slots wait for a check.
func TestSecondSignalWhileAnswersAreChecked(t *testing.T) {
	t.Parallel()
	j := harness.New(t, "--max-retries", "0", "--batch-size", "64")
	j.UseStandIn()
	rows := []string{treeRow("endless", 40)}
	for i := range 400 {
		rows = append(rows, treeRow(fmt.Sprint("long ", i), 8))
	}
	j.Write(rows...)
	cmd := j.Start()
	await.Until(t, "the line of the endless check", func() bool {
		lines, _ := os.ReadFile(j.Path("results-errors.jsonl"))
		return strings.Contains(string(lines), "needs more than 100000 steps")
	})
	var second time.Time
	failed := func() int { return len(j.RawLines("results-errors.jsonl")) }
	before := 0
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} { // a second SIGTERM may be an echo of the first
		before, second = failed(), time.Now()
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if signal == syscall.SIGTERM {
			j.AwaitSaid("no new rows")
		}
	}
	j.Wait(cmd, 75)
	t.Logf("the run ended %s after the second signal", time.Since(second))
	if n := failed() - before; n > 32 {
		t.Errorf("after the second signal the run checked %d answers", n)
	}
}

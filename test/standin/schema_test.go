package standin

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

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
// long to check.
func TestSecondSignalWhileAnswersAreChecked(t *testing.T) {
	t.Parallel()
	j := harness.New(t, "--max-retries", "0")
	j.UseStandIn()
	rows := []string{treeRow("endless", 40)}
	for i := range 400 {
		rows = append(rows, treeRow(fmt.Sprint("long ", i), 7))
	}
	j.Write(rows...)
	cmd := j.Start()
	j.AwaitSaid("needs more than 100000 steps")
	for _, said := range []string{"no new rows", ""} {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if said != "" {
			j.AwaitSaid(said)
		}
	}
	j.Wait(cmd, 75)
}

package standin

import (
	"testing"

	"fluxworker/test/harness"
)

// Killed in either pass the same command goes on, and each row has one line in the end.
func TestKilledBetweenShortAndLongRows(t *testing.T) {
	t.Parallel()
	const rows = 300
	input, prompts, errors := harness.MixedRows(rows)
	for range 100 { // a machine that is busy elsewhere may let the worker come to its end: then once more
		j := harness.New(t, "--context", "auto")
		j.UseStandIn("--generation", "o")
		j.Write(input...)
		j.Hold(60) // of which some turn out to be too long
		cmd := j.Start()
		j.AwaitAnswers(50)
		j.Kill(cmd)
		j.Release()
		cmd = j.Start()
		j.AwaitSaid("rows that need a longer context are next")
		j.Hold(2)
		if cmd.Process.Kill(); cmd.Wait() == nil || cmd.ProcessState.Exited() {
			continue
		}
		j.AwaitGone()
		if n, first := j.Answered(), rows-len(errors)-10; n < first {
			t.Errorf("%d rows were answered before the second pass, want %d", n, first)
		}
		j.Release()
		j.Run(3)
		j.CheckMixed(prompts, errors)
		return
	}
	t.Error("no kill fell into the second pass")
}

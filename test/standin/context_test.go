package standin

import (
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/harness"
)

// Killed in either pass the same command goes on, and each row has one line in the end.
func TestKilledBetweenShortAndLongRows(t *testing.T) {
	t.Parallel()
	const rows = 300
	j := harness.New(t, "--context", "auto")
	j.UseStandIn("--generation", "o")
	input, prompts, errors := harness.MixedRows(rows)
	j.Write(input...)
	j.Hold(60) // of which some turn out to be too long
	cmd := j.Start()
	j.AwaitAnswers(50)
	j.Kill(cmd)
	j.Release()
	j.UseStandIn("--generation", "o", "--fault", "hang:1", "--fault-match", "xxxxxxxx") // the long rows
	cmd = j.Start()
	await.Until(t, "long rows to be asked", func() bool { return j.Record().Faults["hang"] > 0 })
	j.Kill(cmd)
	if n, first := j.Answered(), rows-len(errors)-rows/100-2; n < first {
		t.Errorf("%d rows were answered before the second pass, want %d", n, first)
	}
	j.UseStandIn("--generation", "o")
	j.Run(3)
	j.CheckMixed(prompts, errors)
}

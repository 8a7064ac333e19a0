package engines

import (
	"testing"

	"fluxworker/test/harness"
)

// Where the context follows from the rows, the few long ones are answered last, after one restart, with a longer context and
// fewer slots; nothing is cut on the way, neither a prompt nor an answer.
func TestContextSuitsTheRows(t *testing.T) {
	t.Parallel()
	const rows = 500
	harness.EachEngine(t, func(t *testing.T, g harness.Generation) {
		j := g.NewJob(t, "--context", "auto")
		input, prompts, errors := harness.MixedRows(rows)
		j.Write(input...)
		j.Run(3)
		j.CheckMixed(prompts, errors)
		var m struct {
			Chosen []struct {
				Context int
				Longer  int `json:"rows_longer"`
			} `json:"context_chosen"`
			Plan struct{ Slots, Context int }
		}
		j.Read("results.run/manifest.json", &m)
		if len(m.Chosen) != 2 || m.Chosen[0].Context != 512 || m.Chosen[0].Longer == 0 || m.Chosen[1].Context != 8192 || m.Plan.Context != 8192 || m.Plan.Slots != 4 {
			t.Errorf("the manifest tells %+v; want 512 tokens in 8 slots, then 8192 in 4", m)
		}
		var s struct {
			PutOff int `json:"rows_put_off"`
		}
		j.Read("results.run/summary.json", &s)
		if s.PutOff < 3 || s.PutOff > 5 { // the old generation does not count what is too long for any context
			t.Errorf("%d rows were put off", s.PutOff)
		}
	})
}

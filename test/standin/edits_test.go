package standin

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"fluxworker/test/harness"
	"fluxworker/test/seed"
)

// The worker is killed at any instant, and between the starts the user moves, adds and removes rows without custom_id. In the
// end each answer stands under the name that its row has in the input then.
func TestTortureByEdits(t *testing.T) {
	t.Parallel()
	seed.Each(t, []uint64{1}, func(t *testing.T, random *rand.Rand) {
		j := &torture{Job: harness.New(t, "--log-level", "error", "--on-change", "rerun"), random: random, hits: make(map[string]int)}
		j.UseStandIn()
		j.Hold(perStart)
		var rows []string
		added := 0
		add := func() {
			rows = slices.Insert(rows, random.IntN(len(rows)+1), fmt.Sprintf(`{"prompt":%q}`, harness.PromptOf(added)))
			added++
		}
		for range *tortureRows / 5 {
			add()
		}
		for range *tortureKills / 2 {
			for range 1 + random.IntN(3) {
				from, to := random.IntN(len(rows)), random.IntN(len(rows))
				moved := rows[from]
				rows = slices.Insert(slices.Delete(rows, from, from+1), to, moved)
			}
			switch random.IntN(4) {
			case 0:
				add()
			case 1:
				rows = slices.Insert(rows, random.IntN(len(rows)), "") // moves the rows behind it
			case 2:
				i := random.IntN(len(rows))
				rows = slices.Delete(rows, i, i+1)
			}
			j.Write(rows...)
			j.killOnce(&windows[random.IntN(len(windows))], "never")
		}
		j.Release()
		j.Run(0)
		j.CheckBlameless()

		fresh := harness.New(t, "--log-level", "error")
		fresh.UseStandIn()
		fresh.Write(rows...)
		fresh.Run(0)
		if !maps.Equal(answers(j.Job), answers(fresh)) {
			t.Error("the names or the answers are not those of a fresh run")
		}
		t.Logf("%d kills: %v", *tortureKills/2, j.hits)
	})
}

package standin

import (
	"fmt"
	"strings"
	"testing"

	"fluxworker/test/fakenvml"
	"fluxworker/test/harness"
)

// energyRecord is the energy in a summary.
type energyRecord struct {
	GPUs   int
	KWh    *float64 `json:"energy_kwh"`
	PerKWh *float64 `json:"tokens_per_kwh"`
	CO2    *float64 `json:"co2_g"`
}

// The energy is what the counters of the GPUs have grown by, and CO2 follows from it.
func TestEnergyFollowsTheCounters(t *testing.T) {
	t.Parallel()
	const rows = 100
	at := func(kWh int) string {
		return strings.ReplaceAll(harness.GPUs(2, ""), "energy_mj=1000", fmt.Sprintf("energy_mj=%d", 1000+int64(kWh)*3_600_000_000))
	}
	j, table := newGPUJob(t, fakenvml.Build(t), at(0))
	j.Args = append(j.Args, "--carbon-intensity", "380")
	j.WriteRows(rows)
	cmd := j.StartAndHoldEach(2, 10)
	fakenvml.Write(t, table, at(1))
	j.Release()
	j.Wait(cmd, 0)
	var s struct {
		TokensIn  int `json:"tokens_in"`
		TokensOut int `json:"tokens_out"`
		Energy    energyRecord
		Total     struct{ Energy energyRecord } `json:"all_attempts"`
	}
	j.Read("results.run/summary.json", &s)
	for what, e := range map[string]energyRecord{"this run": s.Energy, "all runs": s.Total.Energy} {
		if e.GPUs != 2 || e.KWh == nil || *e.KWh != 2 || e.CO2 == nil || *e.CO2 != 760 || e.PerKWh == nil || *e.PerKWh != float64(s.TokensIn+s.TokensOut)/2 {
			t.Errorf("%s: %+v; want 2 kWh, 760 g and the tokens for each kWh", what, e)
		}
	}
	if !strings.Contains(j.Stderr.String(), "\nenergy  2 kWh in ") {
		t.Error("the end of the run does not name the energy")
	}
}

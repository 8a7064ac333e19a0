package record

import (
	"strings"
	"testing"
)

// use is the use of a GPU for an hour; a negative number of joules means no energy counter.
func use(uuid string, joules float64) GPUUse {
	u := GPUUse{UUID: uuid, Hours: 1}
	if joules >= 0 {
		u.Joules = &joules
	}
	return u
}

// used is the summary of an attempt with 1,000 tokens.
func used(intensity float64, gpus ...GPUUse) Summary {
	s := Summary{TokensIn: 900, TokensOut: 100}
	s.Use(gpus, intensity)
	return s
}

func TestEnergy(t *testing.T) {
	t.Parallel()
	const kWh = 3.6e6
	for _, c := range []struct {
		name    string
		earlier []Summary
		now     Summary
		want    string // of all attempts
	}{
		{"one GPU", nil, used(0, use("a", kWh/2)), "0.5 kWh in 1.00 GPU-hours, 2000 tokens/kWh"},
		{"two GPUs and CO2", nil, used(380, use("a", kWh), use("b", kWh)), "2 kWh in 2.00 GPU-hours, 500 tokens/kWh, 760 g CO2"},
		{"one of two GPUs has a counter", nil, used(380, use("a", kWh), use("b", -1)), "2.00 GPU-hours; no sum of the energy: 1 of 2 GPUs have an energy counter"},
		{"a small run", nil, used(380, use("a", 12.34)), "0.00000343 kWh in 1.00 GPU-hours, 291734198 tokens/kWh, 0.0013 g CO2"},
		{"a large run", nil, used(380, use("a", 1234*kWh)), "1234 kWh in 1.00 GPU-hours, 1 tokens/kWh, 468920 g CO2"},
		{"two attempts", []Summary{used(0, use("a", kWh))}, used(0, use("b", kWh)), "2 kWh in 2.00 GPU-hours, 1000 tokens/kWh"},
		{"two attempts, other grids", []Summary{used(100, use("a", kWh))}, used(200, use("a", kWh)), "2 kWh in 2.00 GPU-hours, 1000 tokens/kWh, 300 g CO2"},
		{"the earlier attempt named no intensity", []Summary{used(0, use("a", kWh))}, used(200, use("a", kWh)), "2 kWh in 2.00 GPU-hours, 1000 tokens/kWh, 400 g CO2"},
		{"the present attempt names no intensity", []Summary{used(100, use("a", kWh))}, used(0, use("a", kWh)), "2 kWh in 2.00 GPU-hours, 1000 tokens/kWh"},
		{"a counter that was missing once", []Summary{used(0, use("a", -1))}, used(0, use("a", kWh)), "2.00 GPU-hours; no sum of the energy: 0 of 1 GPUs have an energy counter"},
		{"tokens of an attempt without GPUs do not count", []Summary{used(0)}, used(0, use("a", kWh)), "1 kWh in 1.00 GPU-hours, 1000 tokens/kWh"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var earlier []Attempt
			for _, s := range c.earlier {
				earlier = append(earlier, Attempt{Summary: s})
			}
			if got := TotalOf(earlier, c.now, 0, 0).Energy.String(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if e := TotalOf(nil, used(0), 0, 0).Energy; e != nil {
		t.Errorf("without a GPU: %s, want nil", e)
	}
}

// The printed summary names the energy of this run, and that of all runs where there were several.
func TestEnergyIsPrinted(t *testing.T) {
	t.Parallel()
	s := used(100, use("a", 3.6e6))
	s.Total = TotalOf([]Attempt{{Summary: used(100, use("a", 3.6e6))}}, s, 0, 0)
	for _, want := range []string{"\nenergy  1 kWh in 1.00 GPU-hours, 1000 tokens/kWh, 100 g CO2", "\n        all runs together: 2 kWh in 2.00 GPU-hours"} {
		if !strings.Contains(s.String(), want) {
			t.Errorf("no %q in\n%s", want, s)
		}
	}
	if s := used(0).String(); strings.Contains(s, "energy") {
		t.Errorf("energy without a GPU:\n%s", s)
	}
}

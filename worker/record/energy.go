package record

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Energy sums up the energy of GPUs. Where only some of the GPUs have an energy counter, it gives no sum: the sum would lack the
// other GPUs. GPUs before NVIDIA Volta and MIG instances have no counter.
type Energy struct {
	GPUs     int     `json:"gpus"`
	Metered  int     `json:"gpus_with_energy_counter"` // of GPUs, those whose energy is known for the whole time
	GPUHours float64 `json:"gpu_hours"`
	// KilowattHours is nil unless all GPUs are metered.
	KilowattHours *float64 `json:"energy_kwh,omitempty"`
	// TokensPerKWh refers to the tokens that the model read and wrote; nil without KilowattHours.
	TokensPerKWh *float64 `json:"tokens_per_kwh,omitempty"`
	// CO2Grams is nil without KilowattHours, and where the user named no carbon intensity.
	CO2Grams *float64 `json:"co2_g,omitempty"`
}

// energyOf sums up the GPUs of attempts; nil without a GPU. intensity is the CO2 in grams for each kilowatt-hour of the attempts
// that have no CarbonIntensity of their own; 0 where unknown.
func energyOf(intensity float64, attempts ...Summary) *Energy {
	var e Energy
	var joules, grams float64
	var tokens int64
	metered := map[string]bool{} // by UUID; false after an attempt without the energy of this GPU
	known := true                // the carbon intensity of all attempts
	for _, s := range attempts {
		if len(s.GPUs) == 0 {
			continue
		}
		tokens += s.TokensIn + s.TokensOut
		var own float64
		for _, g := range s.GPUs {
			e.GPUHours += g.Hours
			before, seen := metered[g.UUID]
			metered[g.UUID] = g.Joules != nil && (before || !seen)
			if g.Joules != nil {
				own += *g.Joules
			}
		}
		at := cmp.Or(s.CarbonIntensity, intensity)
		joules, grams, known = joules+own, grams+own/joulesPerKWh*at, known && at > 0
	}
	e.GPUs = len(metered)
	for _, ok := range metered {
		if ok {
			e.Metered++
		}
	}
	if e.GPUs == 0 {
		return nil
	}
	if e.Metered < e.GPUs {
		return &e
	}
	kwh := joules / joulesPerKWh
	e.KilowattHours = &kwh
	if kwh > 0 {
		rate := float64(tokens) / kwh
		e.TokensPerKWh = &rate
	}
	if known {
		e.CO2Grams = &grams
	}
	return &e
}

// joulesPerKWh is the number of joules of a kilowatt-hour.
const joulesPerKWh = 3.6e6

// String returns the energy for people, in one line.
func (e *Energy) String() string {
	var b strings.Builder
	if e.KilowattHours == nil {
		fmt.Fprintf(&b, "%.2f GPU-hours; no sum of the energy: %d of %d GPUs have an energy counter", e.GPUHours, e.Metered, e.GPUs)
		return b.String()
	}
	fmt.Fprintf(&b, "%s kWh in %.2f GPU-hours", threeDigits(*e.KilowattHours), e.GPUHours)
	if e.TokensPerKWh != nil {
		fmt.Fprintf(&b, ", %.0f tokens/kWh", *e.TokensPerKWh)
	}
	if e.CO2Grams != nil {
		fmt.Fprintf(&b, ", %s g CO2", threeDigits(*e.CO2Grams))
	}
	return b.String()
}

// threeDigits returns a number with three significant digits or, from 1000, as a whole number, and never with an exponent.
func threeDigits(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64) // cannot fail
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

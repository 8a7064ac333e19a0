package main

import (
	"math"

	"github.com/spf13/pflag"

	"fluxworker/worker"
)

// measureFlags are the flags of what a run measures of itself.
type measureFlags struct {
	metricsFile     string
	carbonIntensity float64
}

func (f *measureFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.metricsFile, "metrics-file", "", "write the metrics of the run to `FILE` every 15 s, in the text format of Prometheus, readable for everyone; each task needs a FILE of its own")
	flags.Float64Var(&f.carbonIntensity, "carbon-intensity", 0, "grams of CO2 for each kilowatt-hour of your electricity, `G_PER_KWH`; the summary then has the CO2 of the GPUs")
}

// apply checks the flags and sets them in the configuration of the worker.
func (f *measureFlags) apply(flags *pflag.FlagSet, c *worker.Config) error {
	if flags.Changed("carbon-intensity") && (!(f.carbonIntensity > 0) || math.IsInf(f.carbonIntensity, 0)) {
		return usagef("--carbon-intensity is %g; it must be more than 0, such as 380 for 380 g of CO2 for each kilowatt-hour", f.carbonIntensity)
	}
	c.MetricsFile, c.CarbonIntensity = f.metricsFile, f.carbonIntensity
	return nil
}

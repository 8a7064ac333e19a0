package main

import (
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// fromEnvironment sets the flags that were not given from FLUXWORKER_ variables. No other variable is looked at for
// them: sbatch exports the whole login shell into the job, and a forgotten MODEL or TEMPERATURE of some other tool must
// not decide a run.
func fromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || failed != nil {
			return
		}
		name := "FLUXWORKER_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok || value == "" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = usagef("environment %s: %w", name, err)
		}
	})
	return failed
}

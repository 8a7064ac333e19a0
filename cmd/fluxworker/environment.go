package main

import (
	"errors"
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
			failed = usagef("environment %s is %q; it must be %s", name, value, kindOf(f))
			return
		}
		setOrigin(f, name)
	})
	return failed
}

// flagError says what is wrong with a flag in the terms of the person who typed it.
func flagError(command string, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return usagef("--%s is %q; it must be %s (see %s --help)", invalid.GetFlag().Name, invalid.GetValue(), kindOf(invalid.GetFlag()), command)
	}
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		if where := llmfluxFlags[unknown.GetSpecifiedName()]; where != "" {
			return usagef("--%s is a flag of llmflux that fluxworker does not have: %s", unknown.GetSpecifiedName(), where)
		}
	}
	return usagef("%w (see %s --help)", err, command)
}

// kindOf names what a flag takes.
func kindOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "int", "int64":
		return "a whole number"
	case "float64":
		return "a number"
	case "duration":
		return "a duration such as 90s or 10m"
	case "bool":
		return "true or false"
	default:
		return "text"
	}
}

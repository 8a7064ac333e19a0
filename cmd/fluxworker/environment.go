package main

import (
	"errors"

	"github.com/spf13/pflag"
)

// fromEnvironment sets the flags that were not given from FLUXWORKER_ variables. Other variables have no effect: sbatch
// exports the whole login shell into the job, and a forgotten MODEL or TEMPERATURE of another tool must not decide a run.
func fromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || failed != nil {
			return
		}
		name, value, err := lookUp(f.Name)
		if err != nil || name == "" {
			failed = err
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

// flagError explains a wrong flag to the person who typed it.
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

// kindOf describes the values of a flag.
func kindOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "int", "int64":
		return "a whole number"
	case "size":
		return "a size such as 64M or 1G, or a number of bytes"
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

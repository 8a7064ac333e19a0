package main

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"
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
			failed = usagef("environment %s is %q; it must be %s", name, value, wanted(f, err))
			return
		}
		setOrigin(f, name)
	})
	return failed
}

// flagError explains a wrong flag to the person who typed it.
func flagError(cmd *cobra.Command, err error) error {
	command := cmd.CommandPath()
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return usagef("--%s is %q; it must be %s (see %s --help)", invalid.GetFlag().Name, invalid.GetValue(), wanted(invalid.GetFlag(), err), command)
	}
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		if cmd == cmd.Root() {
			if before := cmd.Flags().Args(); len(before) > 0 {
				return noCommand(cmd, before[0])
			}
			return usagef("%w; a command stands before its flags, as in `%s run --model …` (see %s --help)", err, command, command)
		}
		if where := llmfluxFlags[unknown.GetSpecifiedName()]; where != "" {
			return usagef("--%s is a flag of llmflux that fluxworker does not have: %s", unknown.GetSpecifiedName(), where)
		}
		if near := nearest(unknown.GetSpecifiedName(), flagNames(cmd)); near != "" {
			return usagef("%w; did you mean --%s? (see %s --help)", err, near, command)
		}
	}
	return usagef("%w (see %s --help)", err, command)
}

// wanted describes the values of a flag that did not take a value with the given error.
func wanted(f *pflag.Flag, err error) string {
	if errors.Is(err, strconv.ErrRange) {
		return kindOf(f) + ", and this one is out of range"
	}
	return kindOf(f)
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
		return "a duration such as 90s or 10m, or a number of seconds"
	case "bool":
		return "true or false"
	default:
		return "text"
	}
}

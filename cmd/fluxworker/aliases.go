package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// aliases are further spellings of flags: former names, and LLMFlux's. Help and documentation leave them out.
var aliases = map[string]string{
	"allow-image-files":  "image-dir",
	"batch-size":         "slots",
	"custom-config-path": "model-config",
}

// canonicalName gives a flag its present name. So a flag with two spellings on one command line is a flag that was given
// twice: the last value counts.
func canonicalName(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if now, ok := aliases[name]; ok {
		name = now
	}
	return pflag.NormalizedName(name)
}

// variablesOf lists the environment variables of a flag, the present spelling first.
func variablesOf(flag string) []string {
	var old []string
	for alias, now := range aliases {
		if now == flag {
			old = append(old, variable(alias))
		}
	}
	slices.Sort(old)
	return append([]string{variable(flag)}, old...)
}

func variable(flag string) string {
	return "FLUXWORKER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// lookUp returns the variable that sets a flag, and its value; both are empty if none does. The environment has no order,
// so two spellings with different values are an error.
func lookUp(flag string) (name, value string, err error) {
	for _, candidate := range variablesOf(flag) {
		text := os.Getenv(candidate)
		switch {
		case text == "" || text == value:
		case value == "":
			name, value = candidate, text
		default:
			return "", "", usagef("environment %s is %q, but %s is %q, and both set --%s; unset one of them", name, value, candidate, text, flag)
		}
	}
	return name, value, nil
}

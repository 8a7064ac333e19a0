package main

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// underItsOrigin puts the name of the variable or the .env in place of a flag's name into an error about the flag's value: the
// user has not written the flag.
func underItsOrigin(flags *pflag.FlagSet, err error) error {
	if exitCode(err) != exitUsage {
		return err
	}
	text := err.Error()
	flags.VisitAll(func(f *pflag.Flag) {
		if origin := originOf(f); origin != "" && origin != "--"+f.Name {
			about := regexp.MustCompile(`(?m)^--` + regexp.QuoteMeta(f.Name) + `( is |: )`)
			text = about.ReplaceAllString(text, strings.ReplaceAll(origin, "$", "$$")+"$1")
		}
	})
	if text == err.Error() {
		return err
	}
	return &usageError{errors.New(text)}
}

// warnOfUnknown warns of variables that look like those of flags, and set none. Of the names that modules define for any
// program only those that resemble a flag's count.
func warnOfUnknown(log zerolog.Logger, root *cobra.Command) {
	var known []string
	for _, cmd := range root.Commands() {
		for _, name := range flagNames(cmd) {
			known = append(known, variablesOf(name)...)
		}
	}
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		suffix, ours := strings.CutPrefix(name, variable(""))
		if !ours || slices.Contains(known, name) || slices.Contains([]string{"VERSION", "HOME", "ROOT", "DIR", "BASE", "BIN", "PATH"}, suffix) {
			continue
		}
		warn := log.Warn().Str("variable", name)
		if near := nearest(name, known); near != "" {
			warn = warn.Str("nearest", near)
		}
		warn.Msg("a variable of the environment has the form of a setting, but no setting has this name")
	}
}

// noCommand returns the error about a word that stands in the place of a command, and that names no command.
func noCommand(root *cobra.Command, word string) error {
	var known []string
	for _, cmd := range root.Commands() {
		known = append(known, cmd.Name())
	}
	if near := nearest(word, known); near != "" {
		return usagef("there is no command %q; did you mean %s %s? (see %s --help)", word, root.CommandPath(), near, root.CommandPath())
	}
	return usagef("there is no command %q (see %s --help)", word, root.CommandPath())
}

// flagNames lists the visible flags of a command, with their other spellings.
func flagNames(cmd *cobra.Command) (names []string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// nearest returns the known name with the fewest different letters; empty if all differ in more than a third of the letters, or
// in more than two of a short name.
func nearest(name string, known []string) string {
	best, least := "", 1+min(max(2, len(name)/3), len(name)-2)
	for _, k := range known {
		if distance := levenshtein.ComputeDistance(name, k); distance < least {
			best, least = k, distance
		}
	}
	return best
}

package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/flags.md anew")

const flagsPage = "../../docs/flags.md"

const flagsHeader = `# Flags

` + "`go test ./cmd/fluxworker -run TestFlagsAreDocumented -update`" + ` writes this page from the commands. A test compares the page with them.

The environment can set every flag, such as ` + "`--slots` by `FLUXWORKER_SLOTS`" + `. A flag wins over the environment. Settings in a ` + "`.env`" + ` under
[LLMFlux's names](coming-from-llmflux.md#settings) come next, then the model's YAML. ` + "`fluxworker plan`" + ` shows the origin of each value.

Amounts of memory take K, M, G or T (powers of 1024), such as ` + "`64M` or `16G`" + `. Durations take a unit, such as ` + "`90s`, `10m` or `2h`" + `;
a number without a unit counts seconds.

Former spellings of flags and variables still work. If a command line has both spellings of a flag, the last value counts. If both
variables are set to different values, the command ends with an error.

| former spelling | flag |
|---|---|
`

// The page has every flag of every command with its default, in the groups of the help text, and the exit codes.
func TestFlagsAreDocumented(t *testing.T) {
	var page strings.Builder
	page.WriteString(flagsHeader)
	root := rootCommand()
	for _, name := range aliasesInOrder() {
		fmt.Fprintf(&page, "| `--%s` | `--%s` |\n", name, aliases[name])
	}
	run := find(t, root, "run")
	page.WriteString("\n## fluxworker run\n")
	titles, sets := grouped(run.Flags())
	for i, set := range sets {
		fmt.Fprintf(&page, "\n### %s\n\n", titles[i])
		writeFlags(&page, set, nil)
	}
	page.WriteString("\n## fluxworker plan\n\n`plan` has the flags of `run`, except `--limit`, `--sample`, `--report`, `--metrics-file` and `--carbon-intensity`, and these:\n\n")
	writeFlags(&page, find(t, root, "plan").Flags(), run.Flags())
	page.WriteString("\n## fluxworker validate\n\n`validate` has these flags of `run`:")
	var shared []string
	find(t, root, "validate").Flags().VisitAll(func(f *pflag.Flag) {
		if run.Flags().Lookup(f.Name) != nil && f.Name != "help" {
			shared = append(shared, "`--"+f.Name+"`")
		}
	})
	for len(shared) > 0 { // lines of a readable length
		n := min(6, len(shared))
		page.WriteString("\n" + strings.Join(shared[:n], ", "))
		if shared = shared[n:]; len(shared) > 0 {
			page.WriteString(",")
		}
	}
	page.WriteString(".\n\nThis flag is its own:\n\n")
	writeFlags(&page, find(t, root, "validate").Flags(), run.Flags())
	for _, name := range []string{"status", "merge", "report", "models", "pull", "doctor"} {
		fmt.Fprintf(&page, "\n## fluxworker %s\n\n", name)
		writeFlags(&page, find(t, root, name).Flags(), nil)
	}
	page.WriteString("\n## Exit codes\n\n| code | meaning |\n|---|---|\n")
	for _, e := range exitMeanings {
		fmt.Fprintf(&page, "| %d | %s |\n", e.code, e.meaning)
	}
	page.WriteString("\n`srun` returns the highest code of all tasks, so the codes grow with the gravity of the failure.\n")
	if *update {
		if err := os.WriteFile(flagsPage, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(flagsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != page.String() {
		t.Errorf("%s is out of date; look at the difference after go test ./cmd/fluxworker -run TestFlagsAreDocumented -update", flagsPage)
	}
}

// Each flag of run, plan and validate is in one group, and each name in a group is a flag of one of them.
func TestEveryFlagHasAGroup(t *testing.T) {
	root := rootCommand()
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, name := range []string{"plan", "run", "validate"} {
		all.AddFlagSet(find(t, root, name).Flags())
	}
	groups := make(map[string]string)
	for _, g := range flagGroups() {
		for _, name := range g.flags {
			if groups[name] != "" || all.Lookup(name) == nil || all.Lookup(name).Name != name {
				t.Errorf("--%s in group %s is no flag, or also in group %q", name, g.title, groups[name])
			}
			groups[name] = g.title
		}
	}
	all.VisitAll(func(f *pflag.Flag) {
		if groups[f.Name] == "" && !f.Hidden && f.Name != "help" {
			t.Errorf("--%s is in no group", f.Name)
		}
	})
}

func find(t *testing.T, root *cobra.Command, name string) *cobra.Command {
	t.Helper()
	cmd, _, err := root.Find([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}

// writeFlags writes a table of the visible flags that are not in the other set.
func writeFlags(page *strings.Builder, flags, other *pflag.FlagSet) {
	page.WriteString("| flag | default | meaning |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" || f.Name == "help" || other != nil && other.Lookup(f.Name) != nil {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := strings.TrimSpace("--" + f.Name + " " + value)
		fmt.Fprintf(page, "| `%s` | %s | %s |\n", strings.ReplaceAll(name, "|", `\|`), defaultOf(f), strings.ReplaceAll(usage, "|", `\|`))
	})
}

// defaultOf is the default as the help text shows it: a zero that means "not set" is left out.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "[]", "false", "0":
		return ""
	}
	if short, ok := strings.CutSuffix(f.DefValue, "m0s"); ok {
		return short + "m"
	}
	return f.DefValue
}

func aliasesInOrder() []string {
	names := make([]string, 0, len(aliases))
	for name := range aliases {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

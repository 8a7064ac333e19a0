package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is the width of the help text in columns.
const helpWidth = 110

// flagGroup is a section of the flags in the help text and in docs/flags.md.
type flagGroup struct {
	title string
	flags []string // the common flags first
}

// flagGroups returns the groups of the flags of run, plan and validate in the order of the help text.
func flagGroups() []flagGroup {
	return []flagGroup{
		{"Plan", []string{"gpu", "sbatch", "rate", "json"}},
		{"Input", []string{"input", "prompt-template", "prompt-column", "messages-column", "id-column", "image-dir", "limit", "sample", "show"}},
		{"Model", []string{"model", "model-config", "gguf", "gguf-projector", "ollama", "ollama-models", "pull", "stage", "openai-url", "server-command", "servers", "openai-key-file"}},
		{"Request", []string{"max-tokens", "temperature", "system", "json-schema", "few-shot", "json-object", "stop", "seed", "top-p", "top-k"}},
		{"Output", []string{"output", "columns", "on-change", "retry-failed", "overwrite", "report", "fail-on", "progress", "file-mode", "metrics-file", "carbon-intensity"}},
		{"SLURM", []string{"shard", "shard-block", "requeue", "deadline", "grace", "resume-from"}},
		{"Servers", []string{"slots", "context", "device", "kv-cache-type", "ubatch", "min-context", "fallback-context", "ollama-url", "isolate", "order"}},
		{"Advanced", []string{
			"request-timeout", "load-timeout", "stall-timeout", "max-retries", "retry-delay", "max-restarts", "max-server-memory", "max-answer-memory",
			"allow-cpu-layers", "look-ahead", "dedupe", "max-row-bytes", "sync-interval", "sync-bytes", "log-level", "log-format",
		}},
	}
}

// grouped sorts the visible flags of a command into the groups. Flags of no group, such as --help, come last.
func grouped(flags *pflag.FlagSet) (titles []string, sets []*pflag.FlagSet) {
	var seen []string
	add := func(title string, names []string) {
		set := pflag.NewFlagSet(title, pflag.ContinueOnError)
		set.SortFlags = false
		for _, name := range names {
			if f := flags.Lookup(name); f != nil && !f.Hidden && f.Deprecated == "" {
				set.AddFlag(f)
			}
		}
		seen = append(seen, names...)
		if set.HasFlags() {
			titles, sets = append(titles, title), append(sets, set)
		}
	}
	for _, g := range flagGroups() {
		add(g.title, g.flags)
	}
	var rest []string
	flags.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(seen, f.Name) {
			rest = append(rest, f.Name)
		}
	})
	add("Other", rest)
	return titles, sets
}

// groupedUsage prints the usage of a command with its flags in groups.
func groupedUsage(cmd *cobra.Command) error {
	out := cmd.OutOrStderr()
	fmt.Fprintf(out, "Usage:\n  %s\n", cmd.UseLine())
	titles, sets := grouped(cmd.LocalFlags())
	for i, set := range sets {
		fmt.Fprintf(out, "\n%s:\n%s", titles[i], set.FlagUsagesWrapped(helpWidth))
	}
	return nil
}

package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "fluxworker",
		Short: "Answer a file of prompts with a local Ollama server inside a SLURM job",
		Long: `fluxworker answers a file of prompts with a local Ollama server inside a SLURM job.

  fluxworker run --model llama3.2:3b --input prompts.jsonl --output results.jsonl

fluxworker writes each answer to disk at once. After a kill at any time, the same command continues.
The environment can set every flag, such as --slots by FLUXWORKER_SLOTS. A flag wins.

` + exitTable(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.Flags().Bool("version", false, "print the version")
	root.SetVersionTemplate(versionLine())
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd == root { // its flags are not settings: a module may set FLUXWORKER_VERSION
			return nil
		}
		return fromEnvironment(cmd.Flags())
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return flagError(cmd, err)
	})
	root.AddCommand(runCommand(), planCommand(), validateCommand(), statusCommand(), mergeCommand(), reportCommand(), modelsCommand(), pullCommand(), doctorCommand(), versionCommand())
	for _, c := range root.Commands() {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && strings.EqualFold(filepath.Ext(args[0]), ".parquet") {
				return usagef("%s got %q beside its flags: put a pattern of several files in quotes, as in --input 'data/*.parquet'", cmd.CommandPath(), args[0])
			}
			if len(args) > 0 {
				return usagef("%s takes no argument, but got %q; files and models are named by flags (see %s --help)", cmd.CommandPath(), args[0], cmd.CommandPath())
			}
			return nil
		}
	}
	return root
}

package main

import (
	"github.com/spf13/cobra"
)

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "fluxworker",
		Short: "Answer a file of prompts with a local Ollama server inside a SLURM job",
		Long: `fluxworker answers a file of prompts with a local Ollama server inside a SLURM job.

  fluxworker run --model llama3.2:3b --input prompts.jsonl --output results.jsonl

Each answer is on disk as soon as it is there. Killed at any time, the same command goes on where it was.
Every flag can be given by the environment, too: --batch-size as FLUXWORKER_BATCH_SIZE. A flag wins.

` + exitTable(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command %q (see %s --help)", args[0], cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.Flags().Bool("version", false, "print the version")
	root.SetVersionTemplate(versionLine())
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd == root { // its flags are no settings, and FLUXWORKER_VERSION may be anything
			return nil
		}
		return fromEnvironment(cmd.Flags())
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return flagError(cmd.CommandPath(), err)
	})
	root.AddCommand(runCommand(), planCommand(), validateCommand(), statusCommand(), mergeCommand(), modelsCommand(), pullCommand(), versionCommand())
	for _, c := range root.Commands() {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s takes no argument, but got %q; files and models are named by flags (see %s --help)", cmd.CommandPath(), args[0], cmd.CommandPath())
			}
			return nil
		}
	}
	return root
}

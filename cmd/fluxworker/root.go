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
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags()) }
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(runCommand(), validateCommand(), modelsCommand(), versionCommand())
	// Cobra reports an unknown command or argument as a plain error.
	for _, c := range append(root.Commands(), root) {
		args := c.Args
		if args == nil {
			args = cobra.NoArgs
		}
		c.Args = func(cmd *cobra.Command, a []string) error {
			if err := args(cmd, a); err != nil {
				return usagef("%w (see %s --help)", err, cmd.CommandPath())
			}
			return nil
		}
	}
	return root
}

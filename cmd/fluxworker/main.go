//go:build !manpages

// Command fluxworker answers a file of prompts with a local Ollama server inside a SLURM job.
package main

import (
	"errors"
	"fmt"
	"os"

	"fluxworker/worker/ollama"
)

func main() {
	// A guard is started by this binary with this argument, and must hold nothing that it does not need.
	if len(os.Args) > 1 && os.Args[1] == ollama.GuardCommand {
		os.Exit(ollama.Guard(os.Args[2:]))
	}
	cmd, err := rootCommand().ExecuteC()
	err = underItsOrigin(cmd.Flags(), err)
	code := exitCode(err)
	if err != nil && code != exitRowsFailed && code != exitUnfit && !errors.Is(err, errUnfinished) {
		fmt.Fprintln(os.Stderr, "fluxworker:", printable(err.Error()))
		if code == exitNoGPU || code == exitModelMissing || errors.Is(err, ollama.ErrNotFound) { // the first of several missing parts, often
			fmt.Fprintln(os.Stderr, "`fluxworker doctor` lists all that a run still needs on this machine")
		}
	}
	os.Exit(code)
}

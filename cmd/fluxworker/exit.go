package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"fluxworker/batcher"
	"fluxworker/worker/fleet"
	"fluxworker/worker/lease"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
	"fluxworker/worker/plan"
	"fluxworker/worker/result"
)

// The exit codes, ordered so that the worst task's code is the one that srun returns.
const (
	exitOK           = 0
	exitUnfit        = 1 // of doctor alone
	exitRowsFailed   = 3
	exitUsage        = 64
	exitInput        = 65
	exitStopped      = 75
	exitNoGPU        = 80
	exitDoesNotFit   = 81
	exitServer       = 82
	exitHeld         = 83
	exitOutput       = 84
	exitModelMissing = 85
	exitInternal     = 89
)

// exitMeanings is the table of the help and of docs/flags.md.
var exitMeanings = []struct {
	code    int
	meaning string
}{
	{exitOK, "every row has an answer"},
	{exitUnfit, "of doctor alone: a run would not work on this machine"},
	{exitRowsFailed, "done, but some rows failed (--fail-on none makes it 0)"},
	{exitUsage, "usage or configuration is wrong; nothing was started"},
	{exitInput, "the input cannot be read, is empty, or changed since an earlier run"},
	{exitStopped, "stopped early by a signal or the time limit of the job; the same command continues"},
	{exitNoGPU, "no usable GPU (use --device cpu to run without one)"},
	{exitDoesNotFit, "the model does not fit the GPUs or, with --device cpu, the memory of the job; the message has the arithmetic"},
	{exitServer, "the server failed; the same command continues"},
	{exitHeld, "another run writes to this output"},
	{exitOutput, "the output or the model folder cannot be written (disk full, quota, permission)"},
	{exitModelMissing, "the model is missing on the server and, if it was to be fetched, in the registry"},
	{exitInternal, "an error of fluxworker itself; please report it"},
}

func exitTable() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, e := range exitMeanings {
		fmt.Fprintf(&b, "  %2d  %s\n", e.code, e.meaning)
	}
	return b.String()
}

// errUnfit ends doctor, whose report has the details.
var errUnfit = errors.New("a run would not work here")

// errRowsFailed ends a run that is done with some rows in the errors file.
var errRowsFailed = errors.New("some rows failed")

// errIncomplete ends a merge or its check if lines are missing that a run can add. errUnfinished ends status, whose output
// has the details. errPullEnded ends a pull.
var (
	errIncomplete = errors.New("not complete")
	errUnfinished = errors.New("not every row is done")
	errPullEnded  = errors.New("a signal stopped the pull; the same command continues")
)

// usageError is a mistake on the command line or in the environment.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// exitCode maps the error of a command to its exit code.
func exitCode(err error) int {
	var usage *usageError
	var config *outcome.ConfigError
	var layers *batcher.LayersError
	var size *batcher.UnknownSizeError
	var input *outcome.InputError
	var noGPU *plan.GPUError
	var misfit *batcher.DoesNotFitError
	var spill *fleet.OffloadError
	var memory *plan.MemoryError
	var server *ollama.ServerError
	var corrupt *result.CorruptError
	var write *result.WriteError
	var unreadable *result.RecordError
	var pull *fleet.PullError
	var lock *lease.FileError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUnfit):
		return exitUnfit
	case errors.Is(err, errRowsFailed):
		return exitRowsFailed
	case errors.As(err, &usage), errors.As(err, &config), errors.As(err, &corrupt), errors.Is(err, ollama.ErrNotFound),
		errors.As(err, &layers), errors.As(err, &size):
		return exitUsage
	case errors.As(err, &input):
		return exitInput
	case errors.Is(err, outcome.ErrStopped), errors.Is(err, errIncomplete), errors.Is(err, errUnfinished), errors.Is(err, errPullEnded):
		return exitStopped
	case errors.As(err, &noGPU), errors.Is(err, ollama.ErrNoGPU), errors.Is(err, batcher.ErrNoDevice):
		return exitNoGPU
	case errors.As(err, &misfit), errors.As(err, &spill), errors.As(err, &memory):
		return exitDoesNotFit
	case errors.Is(err, ollama.ErrModelMissing), errors.Is(err, ollama.ErrNotInRegistry):
		return exitModelMissing
	case errors.Is(err, ollama.ErrModelsFull), errors.As(err, &lock):
		return exitOutput
	case errors.As(err, &server), errors.As(err, &pull):
		return exitServer
	case errors.Is(err, result.ErrHeld):
		return exitHeld
	case errors.As(err, &write), errors.As(err, &unreadable), errors.Is(err, fs.ErrPermission):
		return exitOutput
	default:
		return exitInternal
	}
}

//go:build cgo && linux

// Command nvmlprobe prints NVML's information on this node's GPUs as one gpu.Report in JSON. "nvmlprobe watch" prints
// one gpu.XID per line as errors occur. It is embedded in fluxworker, which runs it as a child process, so that a
// driver's hangs and crashes affect only the child. Exit codes: gpu.ProbeOK and the others beside it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"fluxworker/gpu"
	"fluxworker/gpu/nvml"
)

func main() {
	err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(exitCode(err))
}

func run(args []string) error {
	crashPlainly()
	// Avoid core files in the user's folder.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	out, err := claimStdout()
	if err != nil {
		return fmt.Errorf("claim stdout: %w", err)
	}
	lines := json.NewEncoder(out)
	if len(args) == 1 && args[0] == gpu.ProbeWatch {
		return nvml.Watch(func(xid gpu.XID) error { return lines.Encode(xid) })
	}
	report, err := nvml.Read()
	if err != nil {
		return err
	}
	return lines.Encode(report)
}

// claimStdout reserves standard output for the report and redirects the library's output to standard error: some
// versions print warnings.
func claimStdout() (*os.File, error) {
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	if err := syscall.Dup3(2, 1, 0); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "stdout"), nil
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return gpu.ProbeOK
	case errors.Is(err, nvml.ErrNoLibrary):
		return gpu.ProbeNoLibrary
	case errors.Is(err, nvml.ErrNotLoaded):
		return gpu.ProbeNotLoaded
	default:
		return gpu.ProbeFailed
	}
}

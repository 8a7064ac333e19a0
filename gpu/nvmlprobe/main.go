//go:build cgo && linux

// Command nvmlprobe prints what NVML says of this node's GPUs as one gpu.Report in JSON. "nvmlprobe watch" prints a
// gpu.XID per line, as errors happen. It is embedded in fluxworker, which runs it as a child so that a driver's hangs
// and crashes stay here. Exit codes: gpu.ProbeOK and its kin.
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
	// A core file in the user's folder helps nobody.
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

// claimStdout keeps standard output for us and gives the library standard error instead: some print warnings.
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

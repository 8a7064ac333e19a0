package gpu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// smiTimeout is the time limit for all calls together. Without persistence mode nvidia-smi first initialises every
	// card of the node, which takes seconds per card.
	smiTimeout = 40 * time.Second
	// smiKillGrace is how long a killed child may take to exit. A child that hangs in the driver (state D) never exits
	// and is abandoned.
	smiKillGrace = 500 * time.Millisecond
	// smiMaxOutput limits the stored output in bytes; a node of 16 GPUs prints 4 kB.
	smiMaxOutput = 1 << 20
)

// Exit codes from nvidia-smi's manual.
const (
	smiExitArgument  = 2  // unknown field
	smiExitNotFound  = 6  // no GPU
	smiExitDriver    = 9  // the driver is not loaded
	smiExitInterrupt = 10 // the kernel detected an interrupt problem with a GPU
	smiExitLibrary   = 12 // no NVML
	smiExitInfoROM   = 14 // an infoROM is corrupt; the output is complete
)

var unknownField = regexp.MustCompile(`Field "([^"]+)" is not a valid field`)

// querySMI runs the nvidia-smi in PATH. It omits a field that this version does not know; if the message does not name
// the field, it queries the core fields only. nvidia-smi does not report MIG instances: a GPU with MIG has MIGEnabled
// and no instances. The error wraps ErrNoDriver if nvidia-smi or the driver is missing.
func querySMI(ctx context.Context) (Report, error) {
	path, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return Report{}, fmt.Errorf("ask nvidia-smi: %w: nvidia-smi is not in PATH", ErrNoDriver)
	}
	ctx, cancel := context.WithTimeout(ctx, smiTimeout)
	defer cancel()
	fields := smiFields
	for {
		stdout, stderr, code, err := runSMI(ctx, path, fields)
		if err != nil {
			return Report{}, fmt.Errorf("ask nvidia-smi: %w", err)
		}
		switch code {
		case 0, smiExitInterrupt, smiExitInfoROM:
			r, err := parseSMI(stdout, fields)
			if err != nil {
				return Report{}, fmt.Errorf("ask nvidia-smi: %w", err)
			}
			if len(r.Devices) == 0 { // a node without GPUs has its own exit code
				return Report{}, fmt.Errorf("ask nvidia-smi: no table, exit code %d: %s", code, firstLine(stdout, stderr))
			}
			return r, nil
		case smiExitNotFound:
			if !unknownField.Match(stdout) && !unknownField.Match(stderr) {
				return Report{Source: SourceNvidiaSMI}, nil
			}
		case smiExitDriver, smiExitLibrary:
			return Report{}, fmt.Errorf("ask nvidia-smi: %w: %s", ErrNoDriver, firstLine(stdout, stderr))
		}
		next := fewerFields(fields, stdout, stderr, code)
		if len(next) == 0 {
			return Report{}, fmt.Errorf("ask nvidia-smi: exit code %d: %s", code, firstLine(stdout, stderr))
		}
		fields = next
	}
}

// fewerFields returns the fields of the next query after a failure: without the unknown field if the message names one,
// so that an old driver still reports MIG; the core fields if it names none; nil if the failure has another cause. The
// result is always shorter than fields, so the queries end.
func fewerFields(fields []string, stdout, stderr []byte, code int) []string {
	for _, out := range [][]byte{stdout, stderr} {
		if m := unknownField.FindSubmatch(out); m != nil {
			name := string(m[1])
			if slices.Contains(smiCore, name) {
				return nil
			}
			if slices.Contains(fields, name) {
				return slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return f == name })
			}
			code = smiExitArgument
		}
	}
	if code == smiExitArgument && len(fields) > len(smiCore) {
		return smiCore
	}
	return nil
}

// runSMI runs nvidia-smi once in its own process group, which it kills at the end of ctx. An error means that
// nvidia-smi did not exit by itself.
func runSMI(ctx context.Context, path string, fields []string) (stdout, stderr []byte, code int, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, 0, err
	}
	// Do not use CommandContext: Wait would never return if the child hangs in the driver.
	cmd := exec.Command(path, "--query-gpu="+strings.Join(fields, ","), "--format=csv,noheader,nounits")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = smiKillGrace // for a grandchild outside the group that holds the pipes
	var out, errs limitedBuffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		return nil, nil, 0, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // received below, unless the child cannot be killed
	select {
	case err = <-done:
	case <-ctx.Done():
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		select {
		case <-done:
			return nil, nil, 0, fmt.Errorf("no answer in time: %w", ctx.Err())
		case <-time.After(2 * smiKillGrace):
			return nil, nil, 0, fmt.Errorf("no answer in time, and nvidia-smi hangs in the driver and cannot be killed: %w", ctx.Err())
		}
	}
	if out.over {
		return nil, nil, 0, fmt.Errorf("the output exceeds %d bytes", smiMaxOutput)
	}
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return out.buf.Bytes(), errs.buf.Bytes(), 0, nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return out.buf.Bytes(), errs.buf.Bytes(), exit.ExitCode(), nil
	}
	return nil, nil, 0, err
}

// limitedBuffer keeps the first smiMaxOutput bytes. It does not embed the buffer, because the buffer's ReadFrom would
// bypass the limit.
type limitedBuffer struct {
	buf  bytes.Buffer
	over bool
}

func (c *limitedBuffer) Write(p []byte) (int, error) {
	if space := smiMaxOutput - c.buf.Len(); len(p) > space {
		c.over = true
		_, _ = c.buf.Write(p[:space])
		return len(p), nil
	}
	return c.buf.Write(p)
}

// firstLine returns the first line of a child's outputs, for an error.
func firstLine(outputs ...[]byte) string {
	for _, out := range outputs {
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimSpace(line); line != "" {
				return strings.ToValidUTF8(line[:min(len(line), 200)], "?")
			}
		}
	}
	return "no message"
}

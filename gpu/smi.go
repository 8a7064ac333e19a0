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
	// smiDeadline is for all calls together. Without persistence mode nvidia-smi starts every card of the node
	// first, which takes seconds each.
	smiDeadline = 40 * time.Second
	// smiKillGrace is how long a killed child may take to go. One that is stuck in the driver (state D) never
	// does, and is left behind.
	smiKillGrace = 500 * time.Millisecond
	// smiMaxOutput bounds what is kept of a child's output, in bytes; a node of 16 GPUs writes 4 kB.
	smiMaxOutput = 1 << 20
)

// Exit codes of nvidia-smi, from its manual.
const (
	smiExitArgument  = 2  // an unknown field
	smiExitNotFound  = 6  // no GPU
	smiExitDriver    = 9  // the driver is not loaded
	smiExitInterrupt = 10 // the kernel saw an interrupt problem with a GPU
	smiExitLibrary   = 12 // no NVML
	smiExitInfoROM   = 14 // an infoROM is corrupted; the answer is whole
)

var unknownField = regexp.MustCompile(`Field "([^"]+)" is not a valid field`)

// querySMI asks the nvidia-smi of PATH. A field that this version does not know is left out; where it does not say
// which, only the core fields are asked. nvidia-smi does not report MIG instances: a GPU that is cut into them comes
// as MIGEnabled without any. The error wraps ErrNoDriver where there is no nvidia-smi or no driver.
func querySMI(ctx context.Context) (Report, error) {
	path, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return Report{}, fmt.Errorf("ask nvidia-smi: %w: it is not in PATH", ErrNoDriver)
	}
	ctx, cancel := context.WithTimeout(ctx, smiDeadline)
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
			if len(r.Devices) == 0 { // a node without GPUs is told by its exit code
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

// fewerFields returns what to ask after a refusal: the fields without the one that is not known, so that an old
// driver still tells about MIG; the core fields where none is named; nothing where the refusal is not about fields.
// Every answer is shorter than the question, so that asking ends.
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

// runSMI runs nvidia-smi once in a process group of its own, which is killed as a whole at ctx's end. An error means
// that it did not end by itself.
func runSMI(ctx context.Context, path string, fields []string) (stdout, stderr []byte, code int, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, 0, err
	}
	// Not CommandContext: Wait would never return where the child is stuck in the driver.
	cmd := exec.Command(path, "--query-gpu="+strings.Join(fields, ","), "--format=csv,noheader,nounits")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = smiKillGrace // for a grandchild that left the group and holds the pipes
	var out, errs capped
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		return nil, nil, 0, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // waited for below, unless the child cannot be killed
	select {
	case err = <-done:
	case <-ctx.Done():
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		select {
		case <-done:
			return nil, nil, 0, fmt.Errorf("no answer in time: %w", ctx.Err())
		case <-time.After(2 * smiKillGrace):
			return nil, nil, 0, fmt.Errorf("no answer in time, and it cannot be killed (stuck in the driver): %w", ctx.Err())
		}
	}
	if out.over {
		return nil, nil, 0, fmt.Errorf("it wrote more than %d bytes", smiMaxOutput)
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

// capped keeps the first smiMaxOutput bytes. The buffer is not embedded: its ReadFrom would pass the limit by.
type capped struct {
	buf  bytes.Buffer
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	if room := smiMaxOutput - c.buf.Len(); len(p) > room {
		c.over = true
		_, _ = c.buf.Write(p[:room])
		return len(p), nil
	}
	return c.buf.Write(p)
}

// firstLine is what a child said, for an error.
func firstLine(outputs ...[]byte) string {
	for _, out := range outputs {
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimSpace(line); line != "" {
				return strings.ToValidUTF8(line[:min(len(line), 200)], "?")
			}
		}
	}
	return "it said nothing"
}

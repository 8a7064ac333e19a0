package gpu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// killGrace is how long a killed probe may take to go.
	killGrace = time.Second
	// maxStderr is how much of the probe's standard error is kept: a reason, or the first lines of a crash.
	maxStderr = 4096
)

// The dynamic linker's own exit codes: a library or a symbol version is missing, a symbol is.
const (
	linkerNoVersion = 1
	linkerNoSymbol  = 127
)

// stuckError means that the probe is still there and was left behind.
type stuckError struct{ err error }

func (e *stuckError) Error() string { return "NVML probe cannot be ended: " + e.err.Error() }
func (e *stuckError) Unwrap() error { return e.err }

// run runs the probe to its end, or to ctx's, and says why it failed. After a stuckError, stdout may still be written to.
func (p Probe) run(ctx context.Context, stdout io.Writer, args ...string) error {
	programs, err := p.programs()
	if err != nil {
		return err
	}
	return p.runOne(ctx, programs, stdout, args...)
}

// runOne runs the first of the programs that can be executed.
func (p Probe) runOne(ctx context.Context, programs []func() (program, error), stdout io.Writer, args ...string) error {
	var refused []error
	for _, place := range programs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		program, err := place()
		if err != nil {
			refused = append(refused, err)
			continue
		}
		stderr := &head{limit: maxStderr}
		c, err := start(p.command(program.path, stdout, stderr, args))
		program.remove() // it runs, or never will
		if err != nil {
			refused = append(refused, err)
			continue
		}
		if err := c.wait(ctx); err != nil {
			return explain(err, stderr)
		}
		return nil
	}
	return &StartError{Err: errors.Join(refused...)}
}

// command is the probe's command line. It gets a process group of its own because signals to ours are for us to act on.
func (p Probe) command(path string, stdout, stderr io.Writer, args []string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Args[0] = "nvmlprobe"
	cmd.Env = probeEnv(p.Env)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return cmd
}

// probeEnv drops what keeps the probe from starting: it is linked against functions that the driver may not have, so
// they must not be bound before they are called; and a preloaded library may want a newer glibc, or more time.
func probeEnv(env []string) []string {
	if env == nil {
		env = os.Environ()
	}
	kept := make([]string, 0, len(env))
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if name != "LD_BIND_NOW" && name != "LD_PRELOAD" {
			kept = append(kept, entry)
		}
	}
	return kept
}

// child is a probe that was started.
type child struct {
	process *os.Process
	ended   <-chan error // gets Wait's answer
}

// start starts the command and waits for it aside. That goroutine ends when the child does, which is never where it
// hangs in the kernel, whatever WaitDelay says. It keeps its thread, since the parent-death signal is for a thread's
// death, and Go ends threads that nothing runs on.
func start(cmd *exec.Cmd) (*child, error) {
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return &child{process: cmd.Process, ended: ended}, nil
}

// wait waits for the child's end, and kills it at ctx's. Then the error is ctx's, in a stuckError if the child did not go.
func (c *child) wait(ctx context.Context) error {
	select {
	case err := <-c.ended:
		return err
	case <-ctx.Done():
	}
	_ = c.process.Kill() // fails only if it has gone
	grace := time.NewTimer(killGrace)
	defer grace.Stop()
	select {
	case <-c.ended:
		return ctx.Err()
	case <-grace.C:
		return &stuckError{err: ctx.Err()}
	}
}

// explain turns Wait's error into one of ours.
func explain(err error, stderr *head) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err // ctx's, or our own writer's
	}
	said := firstLine(stderr.text)
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &CrashError{Signal: status.Signal(), Stderr: said}
	}
	switch code := exit.ExitCode(); code {
	case ProbeNoLibrary, ProbeNotLoaded:
		return fmt.Errorf("%w: %s", ErrNoDriver, said)
	case ProbeFailed:
		return &DriverError{Reason: said}
	case linkerNoVersion, linkerNoSymbol:
		return &StartError{Err: errors.New(said)}
	default:
		return &CrashError{Code: code, Stderr: said}
	}
}

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
	// killGrace is how long a killed probe may take to exit.
	killGrace = time.Second
	// maxStderr is the maximum size in bytes of the probe's stored standard error: a reason, or the first lines of a
	// crash.
	maxStderr = 4096
)

// Exit codes of the dynamic linker: 1 for a missing library or symbol version, 127 for a missing symbol.
const (
	linkerNoVersion = 1
	linkerNoSymbol  = 127
)

// stuckError means that the probe could not be killed and still exists.
type stuckError struct{ err error }

func (e *stuckError) Error() string { return "NVML probe cannot be killed: " + e.err.Error() }
func (e *stuckError) Unwrap() error { return e.err }

// run runs the probe until its end or the end of ctx, and explains a failure. After a *stuckError the probe may still
// write to stdout.
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
	for _, create := range programs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		program, err := create()
		if err != nil {
			refused = append(refused, err)
			continue
		}
		stderr := &prefixWriter{limit: maxStderr}
		c, err := start(p.command(program.path, stdout, stderr, args))
		program.remove() // the program runs already, or never will
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

// command returns the command of the probe. The probe has its own process group, because signals to ours are for this
// process to handle.
func (p Probe) command(path string, stdout, stderr io.Writer, args []string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Args[0] = "nvmlprobe"
	cmd.Env = probeEnv(p.Env)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return cmd
}

// probeEnv removes variables that could prevent the probe's start. The probe is linked against functions that the
// driver may lack, so they must be bound lazily (LD_BIND_NOW). A preloaded library may need a newer glibc, or more time
// (LD_PRELOAD).
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

// child is a started probe.
type child struct {
	process *os.Process
	ended   <-chan error // receives the result of Wait
}

// start starts the command and waits for it in a goroutine. The goroutine ends together with the child. If the child
// hangs in the kernel, that is never, whatever WaitDelay says. The goroutine locks its thread: the parent-death signal
// fires when the thread dies, and Go ends idle threads.
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

// wait waits for the child and kills it at the end of ctx. Then it returns the error of ctx, inside a *stuckError if
// the child did not exit.
func (c *child) wait(ctx context.Context) error {
	select {
	case err := <-c.ended:
		return err
	case <-ctx.Done():
	}
	_ = c.process.Kill() // fails only if the child has exited
	grace := time.NewTimer(killGrace)
	defer grace.Stop()
	select {
	case <-c.ended:
		return ctx.Err()
	case <-grace.C:
		return &stuckError{err: ctx.Err()}
	}
}

// explain converts the error of Wait to one of this package's errors.
func explain(err error, stderr *prefixWriter) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err // the error of ctx or of our own writer
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

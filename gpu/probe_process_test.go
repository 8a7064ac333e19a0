package gpu_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/gpu"
	"fluxworker/test/build"
	"fluxworker/test/fakenvml"
)

// callLog gets a line from the stand-in library for each call: a named pipe, so that a test can wait for a line.
type callLog struct {
	path  string
	lines *bufio.Reader
}

func newCallLog(t *testing.T) callLog {
	t.Helper()
	path := filepath.Join(t.TempDir(), "calls")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) // for writing too: there is a writer only while a line is written
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return callLog{path, bufio.NewReader(f)}
}

func (l callLog) env() string { return "FAKE_NVML_LOG=" + l.path }

// await waits for a call and returns the caller's process id.
func (l callLog) await(t *testing.T, function string) int {
	t.Helper()
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("wait for a call of %s: %v", function, err)
		}
		pid, called, _ := strings.Cut(strings.TrimSpace(line), " ")
		if called != function {
			continue
		}
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		return n
	}
}

// script returns a probe that runs a shell script.
func script(t *testing.T, text string) gpu.Probe {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probe")
	// Not os.WriteFile: a child that another test forks meanwhile would keep the file open, and it could not be run.
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	return gpu.Probe{Path: path, Timeout: patience}
}

func TestNoReport(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":        "true",
		"nonsense":       "echo Segmentation fault",
		"cut short":      `printf '{"source":"nvml","devices":[{"index":0'`,
		"two":            `echo '{"source":"nvml"} {"source":"nvml"}'`,
		"of no source":   "echo '{}'",
		"without an end": "yes",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := script(t, text).Report(t.Context())
			var output *gpu.OutputError
			if !errors.As(err, &output) || len(output.Output) > 200 {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCannotRun(t *testing.T) {
	t.Parallel()
	orphan := script(t, "")
	if err := os.WriteFile(orphan.Path, []byte("#!/nonexistent/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]gpu.Probe{
		"missing":        {Path: "/nonexistent/probe"},
		"no interpreter": orphan,
		"old glibc":      script(t, "echo \"version 'GLIBC_2.17' not found\" >&2; exit 1"),
		"no function":    script(t, "echo 'symbol lookup error' >&2; exit 127"),
	} {
		_, err := p.Report(t.Context())
		var start *gpu.StartError
		if !errors.As(err, &start) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGoCrash(t *testing.T) {
	t.Parallel()
	_, err := script(t, "echo 'panic: oh' >&2; echo 'goroutine 1' >&2; exit 2").Report(t.Context())
	var crash *gpu.CrashError
	if !errors.As(err, &crash) || crash.Code != 2 || crash.Stderr != "panic: oh" {
		t.Errorf("%v", err)
	}
}

func TestNoProbeInPlainBuild(t *testing.T) {
	t.Parallel()
	if _, err := (gpu.Probe{}).Report(t.Context()); !errors.Is(err, gpu.ErrNoProbe) {
		t.Error(err)
	}
}

// A library that cannot be loaded. (A missing library is tested with the whole program, in an empty root.)
func TestNoLibrary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "libnvidia-ml.so.1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := gpu.Probe{Path: build.Probe(t), Env: append(os.Environ(), "LD_LIBRARY_PATH="+dir)}
	if _, err := p.Report(t.Context()); !errors.Is(err, gpu.ErrNoDriver) {
		t.Error(err)
	}
}

// A probe that hangs in the kernel cannot be had here. What it does to us is that Wait does not return, as it does not
// where a stranger holds the probe's output open.
func TestStuck(t *testing.T) {
	t.Parallel()
	pidFile := filepath.Join(t.TempDir(), "pid")
	p := script(t, "setsid sh -c 'echo $$ >"+pidFile+"; exec sleep 600'; true")
	p.Timeout = time.Second
	begun := time.Now()
	_, err := p.Report(t.Context())
	var timeout *gpu.TimeoutError
	if !errors.As(err, &timeout) || !timeout.Stuck {
		t.Errorf("%v", err)
	}
	if took := time.Since(begun); took > patience {
		t.Errorf("took %v", took)
	}
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// parentEnv makes the test program a parent that waits for a probe which hangs.
const parentEnv = "GPU_TEST_PARENT_OF"

func TestProbeDiesWithParent(t *testing.T) {
	if path := os.Getenv(parentEnv); path != "" {
		_, err := gpu.Probe{Path: path, Timeout: time.Hour}.Report(context.Background())
		fmt.Fprintln(os.Stderr, "the probe ended first:", err)
		os.Exit(1)
	}
	t.Parallel()
	p := probeOf(t, "on hang=1 fn=nvmlInit_v2")
	log := newCallLog(t)
	alive, inherited, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	parent := exec.Command(os.Args[0], "-test.run=^TestProbeDiesWithParent$")
	parent.Env = append(p.Env, log.env(), parentEnv+"="+p.Path)
	parent.ExtraFiles = []*os.File{inherited} // without close-on-exec there, so that the probe has it too
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	inherited.Close()
	log.await(t, "nvmlInit_v2")
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	if err := alive.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := alive.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the probe outlives its parent: %v", err)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	env, path := fakenvml.Env(t, fakenvml.Build(t), "gpu uuid=GPU-a\ngpu uuid=GPU-b\nxid code=31\ngpu perm=1")
	p := gpu.Probe{Path: build.Probe(t), Env: env}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []gpu.XID
	err := p.Watch(ctx, func(x gpu.XID) {
		got = append(got, x)
		if len(got) == 1 {
			fakenvml.Write(t, path, "gpu uuid=GPU-a lost=1\nxid code=79\ngpu uuid=GPU-b\nxid code=31\n")
			return
		}
		cancel()
	})
	if err != nil {
		t.Error(err)
	}
	if len(got) != 2 || got[0] != (gpu.XID{UUID: "GPU-b", Code: 31}) || got[1] != (gpu.XID{UUID: "GPU-a", Code: 79}) {
		t.Errorf("got %+v", got)
	}
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]string{
		"no GPU":       "sys",
		"a lost GPU":   "gpu\non fn=nvmlEventSetWait_v2 ret=15",
		"no such call": "gpu\non fn=nvmlDeviceRegisterEvents ret=3",
	} {
		var driver *gpu.DriverError
		if err := probeOf(t, table).Watch(t.Context(), func(gpu.XID) {}); !errors.As(err, &driver) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var output *gpu.OutputError
	if err := script(t, "echo nonsense").Watch(t.Context(), func(gpu.XID) {}); !errors.As(err, &output) {
		t.Errorf("nonsense: %v", err)
	}
}

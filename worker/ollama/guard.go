package ollama

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// GuardCommand is the argument that makes the binary a guard: "guard [--isolated] SCRATCH COMMAND…".
const GuardCommand = "guard"

// scratchPrefix begins the name of every scratch folder. A guard removes no other.
const scratchPrefix = "fluxworker-"

const (
	// termGrace is how long a server may take to end by itself. It needs none, since nothing in flight is kept; the
	// limit is well under the 30 s that SLURM leaves between TERM and KILL by default.
	termGrace = 3 * time.Second
	// killGrace bounds the wait for processes that do not die of KILL because they hang in a driver.
	killGrace = 5 * time.Second
)

// Guard runs the command as a child and ends with it. When standard input closes, it ends the child and everything that
// the child started, whichever process group or session that moved to. Then it removes the scratch folder. The result
// is the child's exit code, or 128 plus the number of the signal that ended it.
//
// Ollama starts its runners without a process group or parent-death signal, so a SIGKILL of Ollama alone leaves a
// runner behind that keeps the GPU's memory. As a subreaper the guard becomes the parent of such orphans and sees them.
//
// An isolated guard is the first process of a PID namespace. Orphans come to it by that, and should it be killed itself,
// the kernel kills all the others.
func Guard(args []string) int {
	isolated := len(args) > 0 && args[0] == isolatedFlag
	if isolated {
		args = args[1:]
	}
	if len(args) < 2 || !strings.HasPrefix(filepath.Base(args[0]), scratchPrefix) {
		fmt.Fprintln(os.Stderr, "guard: this command is fluxworker's own and starts no server by itself")
		return 64
	}
	scratch, argv := args[0], args[1:]

	// The parent-death signal below follows the thread, not the process, that started the child. So do capabilities.
	runtime.LockOSThread()
	// SLURM signals every process of a step. When to end is the worker's decision, told by the pipe. Caught, not
	// ignored: a child would inherit the latter.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	kill := killDescendants
	if isolated {
		hatch, err := settleIn()
		if err != nil {
			fmt.Fprintln(os.Stderr, "guard:", err)
			return 1
		}
		go passSockets(hatch) // until the worker's end closes, or this process ends
		kill = killNamespace
	} else if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "guard: become subreaper:", err)
		return 1
	}
	defer os.RemoveAll(scratch) // not before: a worker whom isolation is refused uses it again
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 127
	}
	exited := make(chan syscall.WaitStatus, 1)
	gone := make(chan struct{})
	go reap(cmd.Process.Pid, exited, gone)
	released := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(released)
	}()

	status, ended := syscall.WaitStatus(0), false
	select {
	case status = <-exited:
		ended = true
	case <-released:
		cmd.Process.Signal(syscall.SIGTERM)
	}
	if !ended {
		select {
		case status = <-exited:
		case <-time.After(termGrace):
		}
	}
	killUntil(gone, kill)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// reap waits for every child, adopted ones too, until there is none. The child's own end is told as soon as it comes.
func reap(child int, exited chan<- syscall.WaitStatus, gone chan<- struct{}) {
	defer close(gone)
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // ECHILD: nobody is left
			return
		case pid == child:
			exited <- status
		}
	}
}

// killUntil kills the guard's descendants until none is left. Killing one may hand its children up to the guard, and one
// may be born in between, so it does so again until there is nothing to wait for.
func killUntil(gone <-chan struct{}, kill func()) {
	deadline := time.After(killGrace)
	for {
		kill()
		select {
		case <-gone:
			return
		case <-deadline:
			fmt.Fprintln(os.Stderr, "guard: some processes of the server do not die")
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// killDescendants kills what is below the guard in the tree of processes.
func killDescendants() {
	for _, pid := range descendants(os.Getpid()) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// killNamespace kills everything in the PID namespace but its first process, which is the guard. The process ids in
// /proc are of no use here: it was mounted outside.
func killNamespace() { syscall.Kill(-1, syscall.SIGKILL) }

// descendants lists the processes below pid from /proc. Seen from outside, those of an isolated server are among them.
func descendants(pid int) []int {
	children := make(map[int][]int)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		// "pid (name) state ppid …": the name may hold blanks and brackets, so count from the last bracket.
		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		children[parent] = append(children[parent], child)
	}
	var below []int
	for queue := children[pid]; len(queue) > 0; queue = queue[1:] {
		below = append(below, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return below
}

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

// GuardCommand is the first argument that makes this binary a guard: "guard [--isolated] SCRATCH COMMAND…".
const GuardCommand = "guard"

// scratchPrefix begins the name of every scratch folder. A guard removes no other folder.
const scratchPrefix = "fluxworker-"

const (
	// termGrace is how long a server may take to end after SIGTERM. A server needs almost none of it, because answers
	// in flight are discarded. The limit is far below the 30 s that SLURM waits between TERM and KILL by default.
	termGrace = 3 * time.Second
	// killGrace limits the wait for processes that survive SIGKILL because they hang in a driver.
	killGrace = 5 * time.Second
)

// Guard runs the command as a child and ends with it. When standard input closes, Guard ends the child and all its
// descendants, in every process group and session, and then removes the scratch folder. The result is the child's exit
// code, or 128 plus the number of the signal that ended the child.
//
// Ollama starts its runners without a process group and without a parent-death signal, so a SIGKILL of Ollama alone
// leaves a runner that keeps the GPU's memory. The guard is a subreaper, so it becomes the parent of such an orphan.
//
// An isolated guard is the first process of a PID namespace. It becomes the parent of orphans for that reason, and if
// the guard is killed, the kernel kills all other processes of the namespace.
func Guard(args []string) int {
	isolated := len(args) > 0 && args[0] == isolatedFlag
	if isolated {
		args = args[1:]
	}
	if len(args) < 2 || !strings.HasPrefix(filepath.Base(args[0]), scratchPrefix) {
		fmt.Fprintln(os.Stderr, "guard: this command is internal to fluxworker; do not call it")
		return 64
	}
	scratch, argv := args[0], args[1:]

	// The parent-death signal below belongs to the thread that starts the child, not to the process. Capabilities belong
	// to a thread, too.
	runtime.LockOSThread()
	// SLURM signals every process of a step, but the worker decides when the server ends and uses the pipe. Catch the
	// signals and do not ignore them: a child would inherit the ignored state.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	kill := killDescendants
	if isolated {
		broker, err := initNamespaces()
		if err != nil {
			fmt.Fprintln(os.Stderr, "guard:", err)
			return 1
		}
		go passSockets(broker) // until the worker's end closes or this process ends
		kill = killNamespace
	} else if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "guard: become subreaper:", err)
		return 1
	}
	defer os.RemoveAll(scratch) // only here: if isolation fails, the worker uses the folder again
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

// reap waits for every child, adopted orphans included, until none is left. It sends the status of the first child as
// soon as that child ends.
func reap(child int, exited chan<- syscall.WaitStatus, gone chan<- struct{}) {
	defer close(gone)
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // ECHILD: no child is left
			return
		case pid == child:
			exited <- status
		}
	}
}

// killUntil kills the guard's descendants repeatedly until gone is closed or killGrace is over. One round is not
// enough: a kill can hand children up to the guard, and a process can fork between two rounds.
func killUntil(gone <-chan struct{}, kill func()) {
	deadline := time.After(killGrace)
	for {
		kill()
		select {
		case <-gone:
			return
		case <-deadline:
			fmt.Fprintln(os.Stderr, "guard: some processes of the server survive SIGKILL")
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// killDescendants kills all processes below the guard in the process tree.
func killDescendants() {
	for _, pid := range descendants(os.Getpid()) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// killNamespace kills everything in the PID namespace except its first process, the guard. The process ids in /proc do
// not help: the guard's own /proc is that of the outside.
func killNamespace() { syscall.Kill(-1, syscall.SIGKILL) }

// descendants lists the processes below pid from /proc. From outside, it includes the processes of an isolated server.
func descendants(pid int) []int {
	children := make(map[int][]int)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // the process ended meanwhile
		}
		// The format is "pid (name) state ppid …". The name may hold blanks and brackets, so count from the last
		// bracket.
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

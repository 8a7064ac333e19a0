package fakeollama

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// childCommand is the hidden argument that makes the program a child: "child PIDFILE LIFE".
const childCommand = "child"

// startChild starts a process like the runner that a killed Ollama leaves: it holds our output open and ends only by
// SIGKILL or at the end of its life. When startChild returns, the process is ready and its id is written.
func startChild(c config, env []string, stdout, stderr io.Writer) error {
	ready, readyEnd, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start child: %w", err)
	}
	defer ready.Close()
	cmd := exec.Command("/proc/self/exe")
	// Keep argv[0]: a test binary recognises by it that this is the child and not the tests.
	cmd.Args = []string{os.Args[0], childCommand, c.childPID, c.maxLife.String()}
	cmd.Env, cmd.Stdout, cmd.Stderr = env, stdout, stderr
	cmd.ExtraFiles = []*os.File{readyEnd}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: c.childSetsid}
	err = cmd.Start()
	readyEnd.Close()
	if err != nil {
		return fmt.Errorf("start child: %w", err)
	}
	defer cmd.Process.Release()
	if said, err := io.ReadAll(ready); err != nil || string(said) != "ready" {
		return errors.Join(errors.New("start child: the child did not become ready"), err)
	}
	return nil
}

// child is the main function of the process that startChild starts.
func child(args []string) int {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)
	if len(args) != 2 {
		return 2
	}
	life, err := time.ParseDuration(args[1])
	if err != nil {
		return 2
	}
	if args[0] != "" {
		if err := replace(args[0], []byte(strconv.Itoa(os.Getpid())+"\n")); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			return 1
		}
	}
	ready := os.NewFile(3, "ready")
	ready.WriteString("ready")
	ready.Close()
	time.Sleep(life)
	return 0
}

package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// Port is the TCP port of the node's service, which has the name "Node".
const Port = 7000

// Command is a program that a node starts.
type Command struct {
	Args []string // the program's path first
	Env  []string // the whole environment
	Dir  string
}

// Exit is the end of a program.
type Exit struct {
	Code   int // -1 after a signal
	Output string
}

// Signal is a signal for a process of the node.
type Signal struct {
	PID    int
	Number syscall.Signal
}

// File is a file of the node.
type File struct {
	Path string
	Data []byte
}

// Mount is a mount of the node, by the arguments of mount(2).
type Mount struct{ Source, Target, Type, Options string }

// Node is the service of a node. Its methods have the form that net/rpc demands.
type Node struct {
	mu       sync.Mutex
	programs map[int]*program
}

type program struct {
	cmd    *exec.Cmd
	output output
}

// output holds what a program prints while another goroutine reads it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Start starts a program in a process group of its own and returns its id.
func (n *Node) Start(c Command, pid *int) error {
	p := &program{cmd: exec.Command(c.Args[0], c.Args[1:]...)}
	p.cmd.Env, p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = c.Env, c.Dir, &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	*pid = p.cmd.Process.Pid
	n.programs[*pid] = p
	return nil
}

// Wait waits for the end of a program.
func (n *Node) Wait(pid int, exit *Exit) error {
	p, err := n.program(pid)
	if err != nil {
		return err
	}
	err = p.cmd.Wait()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	*exit = Exit{Code: p.cmd.ProcessState.ExitCode(), Output: p.output.String()}
	return nil
}

// Output returns what a program has printed so far.
func (n *Node) Output(pid int, text *string) error {
	p, err := n.program(pid)
	if err != nil {
		return err
	}
	*text = p.output.String()
	return nil
}

func (n *Node) program(pid int) (*program, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.programs[pid]
	if p == nil {
		return nil, fmt.Errorf("this node has not started process %d", pid)
	}
	return p, nil
}

// Signal sends a signal to a process.
func (n *Node) Signal(s Signal, _ *struct{}) error { return syscall.Kill(s.PID, s.Number) }

// Write writes a file as a whole, and makes its folder.
func (n *Node) Write(f File, _ *struct{}) error {
	dir := filepath.Dir(f.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		_, parent := os.Stat(filepath.Dir(dir)) // says more, where the share is lost
		return errors.Join(err, parent)
	}
	draft := f.Path + ".draft"
	if err := os.WriteFile(draft, f.Data, 0o600); err != nil {
		return err
	}
	return os.Rename(draft, f.Path)
}

// Read reads a file, as this node sees it.
func (n *Node) Read(path string, data *[]byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	*data, err = io.ReadAll(f)
	return err
}

// Remove removes a file.
func (n *Node) Remove(path string, _ *struct{}) error { return os.Remove(path) }

// Mount makes the target's folder and mounts there.
func (n *Node) Mount(m Mount, _ *struct{}) error { return mount(m.Source, m.Target, m.Type, m.Options) }

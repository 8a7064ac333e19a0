package slurm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// daemon is one of the cluster's servers.
type daemon struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended
}

// names are the daemons of SLURM itself.
func (c *Cluster) names() []string {
	names := []string{"slurmctld"}
	for _, n := range c.Nodes {
		names = append(names, "slurmd."+n)
	}
	return names
}

func (c *Cluster) mungedArgs() []string {
	return []string{"munged", "-F", "--key-file=" + c.path("etc/munge.key"), "--socket=" + c.path("run/munge.socket"),
		"--pid-file=" + c.path("run/munged.pid"), "--seed-file=" + c.path("state/munged.seed"), "--log-file=" + c.path("log/munged.log")}
}

func (c *Cluster) argv(name string) []string {
	program, node, isNode := strings.Cut(name, ".")
	argv := []string{program, "-D", "-f", c.path("etc/slurm.conf")}
	if isNode {
		argv = append(argv, "-N", node)
	}
	return argv
}

// launch starts a daemon in the foreground of a session of its own.
func (c *Cluster) launch(name string, argv ...string) error {
	out, err := os.OpenFile(c.path("log", name+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = c.path("log")
	cmd.Env = c.Env()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	d := &daemon{cmd: cmd, done: make(chan struct{})}
	c.daemons[name] = d
	go func() {
		defer close(d.done)
		cmd.Wait() // its log says how it ended
	}()
	return nil
}

// Stop ends one of SLURM's daemons and waits for its end: "slurmctld", or "slurmd." and a node's name. SIGTERM lets it
// save its state, SIGKILL is a crash.
func (c *Cluster) Stop(t testing.TB, name string, signal syscall.Signal) {
	t.Helper()
	d := c.daemons[name]
	if d == nil {
		t.Fatalf("stop %s: the cluster runs no such daemon", name)
	}
	if err := d.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("stop %s: %v", name, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	select {
	case <-d.done:
		delete(c.daemons, name)
	case <-ctx.Done():
		t.Fatalf("stop %s: %v\n%s", name, context.Cause(ctx), c.logs())
	}
}

// Restart starts a daemon again that Stop has ended, and waits until the controller answers.
func (c *Cluster) Restart(t testing.TB, name string) {
	t.Helper()
	if err := c.launch(name, c.argv(name)...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	if err := c.until(ctx, "slurmctld answers", func() bool {
		return c.command(ctx, "", "scontrol", "ping").Run() == nil
	}); err != nil {
		t.Fatalf("restart %s: %v\n%s", name, err, c.logs())
	}
}

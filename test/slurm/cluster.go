package slurm

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fluxworker/test/await"
)

//go:embed janitor.sh
var janitor string

// startLimit bounds the start of a cluster, which takes about a second on an idle machine.
const startLimit = await.Patience

// Cluster is a running cluster. Its methods may be called from several goroutines, but for Stop and Restart, which need it
// for themselves.
type Cluster struct {
	// Nodes are the nodes' names.
	Nodes []string

	options Options
	tag     string // what the names of nodes, cgroups and the folder have in common
	dir     string
	ports   *ports
	daemons map[string]*daemon
}

// Start starts a cluster that ends with the test. Where none can run, the test is skipped and says why; with CI=true it
// fails instead. Jobs may be sent to four partitions: "main" (the default), "low" and "graceful", whose jobs those of
// "high" preempt and requeue, at once and after a grace.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	o = o.withDefaults()
	host := need(t, o)
	c := &Cluster{options: o, tag: "fw" + letters(6), daemons: map[string]*daemon{}}
	// Not t.TempDir, which is 0700: munged wants every folder above its socket to be o+x. A socket's path has at most
	// 108 bytes, so that a long TMPDIR does not do either.
	c.dir = filepath.Join("/tmp", c.tag)
	for i := range o.Nodes {
		c.Nodes = append(c.Nodes, fmt.Sprintf("%sn%d", c.tag, i+1))
	}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.hireJanitor(t); err != nil {
		os.RemoveAll(c.dir)
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	if err := c.start(ctx, host); err != nil {
		t.Fatalf("start a SLURM cluster: %v\n%s", err, c.logs())
	}
	return c
}

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// letters returns n random letters: a node's name must not end in a digit before its number.
func letters(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] = 'a' + b[i]%26
	}
	return string(b)
}

// hireJanitor starts what ends the cluster, before there is anything to end. It has a session of its own, so that
// what kills the test program does not kill it too, and it holds no end of the pipe that it waits on.
func (c *Cluster) hireJanitor(t testing.TB) error {
	cmd := exec.Command("bash", "-c", janitor, "janitor", c.dir, c.tag)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the cluster's janitor: %w", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the SLURM cluster's logs end with:\n%s", c.logs())
		}
		alive.Close()
		for _, d := range c.daemons {
			<-d.done // ended by the janitor
		}
		if c.ports != nil {
			c.ports.release()
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("end the SLURM cluster: %v: %s", err, said.String())
		}
	})
	return nil
}

func (c *Cluster) start(ctx context.Context, host string) error {
	var err error
	if c.ports, err = holdPorts(1 + c.options.Nodes); err != nil {
		return err
	}
	if err := c.writeConf(host, c.ports.numbers); err != nil {
		return err
	}
	key := make([]byte, 128)
	rand.Read(key)
	if err := os.WriteFile(c.path("etc/munge.key"), key, 0o400); err != nil {
		return err
	}
	if err := c.launch("munged", c.mungedArgs()...); err != nil {
		return err
	}
	if err := c.until(ctx, "munged gives a credential", func() bool {
		return exec.CommandContext(ctx, "munge", "-S", c.path("run/munge.socket"), "-n").Run() == nil
	}); err != nil {
		return err
	}
	for _, d := range c.names() {
		if err := c.launch(d, c.argv(d)...); err != nil {
			return err
		}
	}
	return c.until(ctx, "every node is idle", func() bool {
		out, err := c.command(ctx, "", "sinfo", "-h", "-N", "-p", "main", "-o", "%T").Output()
		return err == nil && strings.Count(string(out), "idle\n") == c.options.Nodes
	})
}

// until asks again and again, since SLURM's daemons do not tell when they are ready.
func (c *Cluster) until(ctx context.Context, what string, ready func() bool) error {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		for name, d := range c.daemons {
			select {
			case <-d.done:
				return fmt.Errorf("%s ended while waiting until %s", name, what)
			default:
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}

// logs returns the ends of the daemons' logs.
func (c *Cluster) logs() string {
	files, _ := filepath.Glob(c.path("log/*"))
	var b strings.Builder
	for _, f := range files {
		if log, isOut := strings.CutSuffix(f, ".out"); isOut && tail(log+".log", 100) != "" {
			continue // a daemon says on stderr what its log holds
		}
		if end := tail(f, 1500); end != "" {
			fmt.Fprintf(&b, "--- %s\n%s\n", filepath.Base(f), end)
		}
	}
	return b.String()
}

func tail(file string, most int64) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		f.Seek(max(0, size-most), io.SeekStart)
	}
	b, _ := io.ReadAll(f)
	return strings.TrimSpace(string(b))
}

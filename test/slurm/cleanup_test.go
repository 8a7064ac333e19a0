package slurm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperVar makes this test program start a cluster with an orphan in it, tell its folder, and wait to be killed.
const helperVar = "FLUXWORKER_TEST_SLURM_HELPER"

// orphan is a job whose child leaves its session and forgets its environment.
const orphan = "#!/bin/bash\nenv -i setsid sleep 1234 &\necho up >%s\nsleep 300"

// helper is what the killed test program does.
func helper(t *testing.T) {
	c := Start(t, Options{GPUs: 1})
	p := NewPipe(t, c.dir)
	c.Sbatch(t, c.dir, fmt.Sprintf(orphan, p.Path))
	p.Line(t)
	fmt.Println("cluster", c.dir)
	select {}
}

func TestKilledTestLeavesNothing(t *testing.T) {
	if os.Getenv(helperVar) != "" {
		helper(t)
	}
	t.Parallel()
	need(t, Options{}.withDefaults())
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledTestLeavesNothing$")
	cmd.Env = append(os.Environ(), helperVar+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir := ""
	said := bufio.NewScanner(out)
	for dir == "" && said.Scan() {
		if after, ok := strings.CutPrefix(said.Text(), "cluster "); ok {
			dir = after
		}
	}
	if dir == "" {
		t.Fatal("the helper started no cluster")
	}
	if left := leftovers(t, dir); !strings.Contains(left, "slurmctld") || !strings.Contains(left, "slurmstepd") {
		t.Errorf("leftovers does not see what runs: %s", left)
	}
	cmd.Process.Kill()
	cmd.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	for leftovers(t, dir) != "" { // the janitor is no child of ours, so that there is nothing to wait on
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("left by a killed test: %s", leftovers(t, dir))
		}
	}
}

func TestClusterLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, tracker := range []string{"cgroup", "linuxproc", "pgid"} {
		t.Run(tracker, func(t *testing.T) {
			t.Parallel()
			var c *Cluster
			t.Run("job", func(t *testing.T) {
				c = Start(t, Options{GPUs: 1, Proctrack: tracker})
				p := NewPipe(t, t.TempDir())
				for range 2 {
					c.Sbatch(t, c.dir, fmt.Sprintf(orphan, p.Path), "--gres=gpu:1")
					p.Line(t)
				}
			})
			if c == nil {
				t.Skip("no cluster")
			}
			if left := leftovers(t, c.dir); left != "" {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}

// leftovers names the processes, mounts, cgroups and files of the cluster in dir; "" means that there are none.
func leftovers(t *testing.T, dir string) string {
	t.Helper()
	var left []string
	if _, err := os.Stat(dir); err == nil {
		left = append(left, dir)
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		env, err := os.ReadFile(p + "/environ")
		if err != nil {
			continue // it has ended
		}
		argv, _ := os.ReadFile(p + "/cmdline")
		cwd, _ := os.Readlink(p + "/cwd") // all that a slurmstepd of newer versions tells
		if bytes.Contains(env, []byte("SLURM_CONF="+dir+"/")) || bytes.Contains(argv, []byte(dir+"/")) || strings.HasPrefix(cwd, dir+"/") {
			left = append(left, strings.ReplaceAll(string(argv), "\x00", " "))
		}
	}
	err = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another cluster's, just removed
		}
		if err == nil && d.IsDir() && strings.Contains(d.Name(), filepath.Base(dir)) {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), dir) {
		left = append(left, "a mount")
	}
	return strings.Join(left, "; ")
}

// Not root, a test says why it does not run; in CI that is a failure.
func TestNotRoot(t *testing.T) {
	t.Parallel()
	need(t, Options{Proctrack: "linuxproc"})
	dir, err := os.MkdirTemp("/tmp", "fluxworker-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "slurm.test")
	// A child copies the program: no other test's child can then hold the copy open for writing as it is started.
	if out, err := exec.Command("install", "-m", "755", os.Args[0], program).CombinedOutput(); err != nil {
		t.Fatalf("copy the test program: %v: %s", err, out)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for ci, want := range map[string]string{"true": "--- FAIL: TestStepOnBothNodes", "": "--- SKIP: TestStepOnBothNodes"} {
		cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run=^TestStepOnBothNodes$")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CI="+ci)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if (err != nil) != (ci == "true") || !strings.Contains(string(out), want) || !strings.Contains(string(out), "needs root") {
			t.Errorf("CI=%s: %v\n%s", ci, err, out)
		}
	}
}

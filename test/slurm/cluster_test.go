package slurm

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // a cluster mostly waits for SLURM's timers, not for a CPU
	goleak.VerifyTestMain(m)
}

// output returns what job id printed, where dir is the folder that it was submitted from.
func output(t *testing.T, dir, id string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "slurm-"+id+".out"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStepOnBothNodes(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	dir := t.TempDir()
	id := c.Sbatch(t, dir, "#!/bin/bash\nsrun printenv SLURMD_NODENAME", "-N2", "-n2")
	c.Await(t, id, "COMPLETED")
	nodes := strings.Fields(output(t, dir, id))
	slices.Sort(nodes)
	if !slices.Equal(nodes, c.Nodes) {
		t.Errorf("ran on %v, want %v", nodes, c.Nodes)
	}
	if got := c.Srun(t, dir, "-n1", "-w", c.Nodes[1], "printenv", "SLURMD_NODENAME"); got != c.Nodes[1] {
		t.Errorf("srun ran on %s, want %s", got, c.Nodes[1])
	}
}

func TestGPUsAreAllocated(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Nodes: 1, GPUs: 3})
	dir := t.TempDir()
	p := NewPipe(t, dir)
	script := "#!/bin/bash\necho ${CUDA_VISIBLE_DEVICES-none} >" + p.Path + "; sleep 300"
	var ids, seen []string
	for _, gres := range []string{"--gres=gpu:1", "--gres=gpu:2", "--gres=none"} {
		ids = append(ids, c.Sbatch(t, dir, script, gres))
		seen = append(seen, p.Line(t))
	}
	if want := []string{"0", "1,2", "none"}; !slices.Equal(seen, want) {
		t.Errorf("jobs see GPUs %q, want %q", seen, want)
	}
	waiting := c.Sbatch(t, dir, script, "--gres=gpu:1")
	if got := c.States(t, waiting)[waiting]; got != "PENDING" {
		t.Errorf("with all GPUs taken the next job is %s", got)
	}
	c.Scancel(t, ids[0])
	if got := p.Line(t); got != "0" {
		t.Errorf("the next job sees %q, want the freed GPU 0", got)
	}
	c.Scancel(t, append(ids, waiting)...)
	c.Empty(t)
}

func TestConstrainDevices(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Nodes: 1, GPUs: 2, ConstrainDevices: true})
	dir := t.TempDir()
	p := NewPipe(t, dir)
	// A device that no driver serves answers "No such device or address" to those who may open it.
	script := fmt.Sprintf(`#!/bin/bash
{ echo "$CUDA_VISIBLE_DEVICES"; (: <%[1]s/nvidia0); (: <%[1]s/nvidia1); } 2>&1 | sed 's/.*: //' | paste -sd, >%[2]s
sleep 300`, c.path("dev", c.Nodes[0]), p.Path)
	for _, want := range []string{"0,No such device or address,Operation not permitted", "0,Operation not permitted,No such device or address"} {
		id := c.Sbatch(t, dir, script, "--gres=gpu:1")
		if got := p.Line(t); got != want {
			t.Errorf("job %s sees %q, want %q", id, got, want)
		}
	}
}

func TestArrayRunsTwoAtOnce(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Nodes: 1})
	dir := t.TempDir()
	p := NewPipe(t, dir)
	id := c.Sbatch(t, dir, fmt.Sprintf("#!/bin/bash\nmkfifo gate.$SLURM_ARRAY_TASK_ID; echo $SLURM_ARRAY_TASK_ID >%s; cat gate.$SLURM_ARRAY_TASK_ID", p.Path), "--array=0-3%2")
	running := []string{p.Line(t), p.Line(t)}
	for i := range 4 {
		counts := map[string]int{}
		for _, state := range c.States(t, id) {
			counts[state]++
		}
		if counts["RUNNING"] > 2 {
			t.Errorf("with %d tasks ended: %v", i, counts)
		}
		release(t, filepath.Join(dir, "gate."+running[i]))
		if i < 2 {
			running = append(running, p.Line(t))
		}
	}
	states := c.Await(t, id, "COMPLETED")
	slices.Sort(running)
	if len(states) != 4 || !slices.Equal(running, []string{"0", "1", "2", "3"}) {
		t.Errorf("ran %v, ended as %v", running, states)
	}
}

// release lets go a job that reads from a named pipe.
func release(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
}

func TestControllerOutage(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Nodes: 1})
	dir := t.TempDir()
	p := NewPipe(t, dir)
	id := c.Sbatch(t, dir, "#!/bin/bash\nmkfifo gate; echo up >"+p.Path+"; cat gate")
	p.Line(t)
	c.Stop(t, "slurmctld", syscall.SIGTERM)
	if out, err := c.Command(t, dir, "scontrol", "ping").CombinedOutput(); err == nil {
		t.Errorf("the controller answers though it was stopped: %s", out)
	}
	release(t, filepath.Join(dir, "gate"))
	c.Restart(t, "slurmctld")
	c.Await(t, id, "COMPLETED")
}

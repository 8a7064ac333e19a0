package slurm

import (
	"fmt"
	"strings"
	"testing"
)

func TestRequeue(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Nodes: 1, KillWait: 2})
	dir := t.TempDir()
	p := NewPipe(t, dir)
	id := c.Sbatch(t, dir, "#!/bin/bash\necho $SLURM_JOB_ID ${SLURM_RESTART_COUNT-first}\necho up >"+p.Path+"\nsleep 300", "--open-mode=append")
	p.Line(t)
	c.Scontrol(t, "requeue", id)
	p.Line(t) // it runs again
	c.Scancel(t, id)
	c.AwaitEnd(t, id)
	for _, line := range []string{id + " first\n", id + " 1\n"} { // the same id, and the first start's output is kept
		if got := output(t, dir, id); !strings.Contains(got, line) {
			t.Errorf("no %q in the output:\n%s", line, got)
		}
	}
	if got := c.Job(t, id)["Restarts"]; got != "1" {
		t.Errorf("%s restarts, want 1", got)
	}
}

// A job of the partition "high" takes the whole node from one that may be preempted.
func TestPreemption(t *testing.T) {
	t.Parallel()
	for _, partition := range []string{"low", "graceful"} {
		t.Run(partition, func(t *testing.T) {
			t.Parallel()
			c := Start(t, Options{Nodes: 1, KillWait: 2})
			dir := t.TempDir()
			p, victor := NewPipe(t, dir), NewPipe(t, dir)
			victim := c.Sbatch(t, dir, fmt.Sprintf(listener, p.Path), "--partition="+partition, "--exclusive", "--requeue")
			up(t, p)
			high := c.Sbatch(t, dir, "#!/bin/bash\necho up >"+victor.Path, "--partition=high", "--exclusive")
			seen := map[string]bool{}
			first := p.Line(t)
			seen[first] = true
			victor.Line(t)
			if partition == "graceful" && first != "task TERM" {
				t.Errorf("%q came first: at the start of the grace only the steps are told", first)
			}
			c.Await(t, high, "COMPLETED")
			for { // what was sent before the second start
				line := p.Line(t)
				if line == "shell up" || line == "child up" || line == "task up" {
					break
				}
				seen[line] = true
			}
			want(t, seen, "shell TERM", "task TERM")
			if job := c.Job(t, victim); job["JobState"] != "RUNNING" || job["Restarts"] != "1" {
				t.Errorf("the victim is %s after %s restarts", job["JobState"], job["Restarts"])
			}
			c.Scancel(t, victim)
			c.Empty(t)
		})
	}
}

package slurm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// ended are the states that a job does not leave by itself.
var ended = []string{"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"}

// Job returns what "scontrol show job" says of a job or array task, by field ("JobState", "Restarts", "NodeList"...).
func (c *Cluster) Job(t testing.TB, id string) map[string]string {
	t.Helper()
	fields := map[string]string{}
	for part := range strings.FieldsSeq(c.Scontrol(t, "--oneliner", "show", "job", id)) {
		if name, value, ok := strings.Cut(part, "="); ok {
			fields[name] = value
		}
	}
	return fields
}

// States returns the state of the job or, in an array, of each of its tasks, by the id that squeue prints: 7, or 7_0.
func (c *Cluster) States(t testing.TB, id string) map[string]string {
	t.Helper()
	states, err := c.states(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return states
}

func (c *Cluster) states(ctx context.Context, id string) (map[string]string, error) {
	out, err := c.command(ctx, "", "squeue", "--noheader", "--array", "--states=all", "--jobs="+id, "--format=%i %T").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("squeue of job %s: %w: %s", id, err, out)
	}
	states := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if job, state, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			states[job] = state
		}
	}
	return states, nil
}

// Await waits until the job, or each task of the array, is in one of the states ("RUNNING", "PENDING"...), and returns
// them. It fails the test after two minutes, and where a job has ended in another state.
func (c *Cluster) Await(t testing.TB, id string, wanted ...string) map[string]string {
	t.Helper()
	return c.await(t, id, strings.Join(wanted, " or "), func(state string) bool { return slices.Contains(wanted, state) })
}

// AwaitEnd waits until the job, or each task of the array, has ended in whatever way, and returns the states.
func (c *Cluster) AwaitEnd(t testing.TB, id string) map[string]string {
	t.Helper()
	return c.await(t, id, "ended", func(state string) bool { return slices.Contains(ended, state) })
}

func (c *Cluster) await(t testing.TB, id, what string, is func(state string) bool) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	var last map[string]string
	err := c.until(ctx, fmt.Sprintf("job %s is %s", id, what), func() bool {
		states, err := c.states(ctx, id)
		if err != nil {
			return false // the controller may be busy, or stopped by the test
		}
		last = states
		all := len(states) > 0
		for job, state := range states {
			if !is(state) {
				all = false
				if slices.Contains(ended, state) && state != "PREEMPTED" { // which a requeued job is for an instant
					t.Fatalf("job %s is %s, want %s\n%s", job, state, what, c.Scontrol(t, "show", "job", job))
				}
			}
		}
		return all
	})
	if err != nil {
		t.Fatalf("%v: it is %v", err, last)
	}
	return last
}

// Empty waits until the nodes have nothing to do any more: a job that has ended may still be COMPLETING there.
func (c *Cluster) Empty(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	if err := c.until(ctx, "the nodes are idle", func() bool {
		out, err := c.command(ctx, "", "sinfo", "-h", "-N", "-p", "main", "-o", "%T").Output()
		return err == nil && strings.Count(string(out), "idle\n") == len(c.Nodes)
	}); err != nil {
		t.Fatalf("%v: %s", err, c.Scontrol(t, "show", "nodes"))
	}
}

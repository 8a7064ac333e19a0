package cluster

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/harness"
	"fluxworker/test/slurm"
)

// jobEnd is a way in which SLURM ends a job, or leaves it alone, while rows are in flight.
type jobEnd struct {
	name  string
	node  int                                    // where the job runs
	args  []string                               // of sbatch, before the script
	grace string                                 // the worker's, unless the default
	event func(u *clusterUser, job, node string) // in mid-run; nil where sbatch has been told, whatever the run does by then

	state    string // in which the job ends
	code     string // SLURM's ExitCode, which is not looked at where the worker may be too late
	says     string // what the worker prints
	restarts int    // how often SLURM starts the job again by itself, at least; where the job COMPLETED
}

const (
	single      = "single-gpu.sbatch"
	preemptible = "preemptible.sbatch"
)

var jobEnds = []jobEnd{
	{
		name: "scancel", args: []string{single},
		event: func(u *clusterUser, job, _ string) { u.c.Scancel(u.T, job) },
		state: "CANCELLED", says: "stopped by a signal",
	},
	{
		name: "time limit", args: []string{single}, // brought forward: the worker has asked for the old one, and does not know
		grace: "10s", // less than KillWait: on a slow machine the rows in flight may take longer
		event: func(u *clusterUser, job, _ string) { u.c.ExpireNow(u.T, job) },
		state: "TIMEOUT", code: "75:0", says: "stopped by a signal",
	},
	{
		name: "USR1", args: []string{single},
		event: func(u *clusterUser, job, _ string) { u.c.Scancel(u.T, "-b", "-s", "USR1", job) },
		state: "FAILED", code: "75:0", says: "stopped by a signal",
	},
	{
		name: "signal option", args: []string{"--time=2", "--signal=B:USR1@70", single}, grace: "5s", // due when SLURM looks for the second time, in a minute
		state: "FAILED", code: "75:0", says: "stopped by a signal",
	},
	{
		name: "deadline", args: []string{"--time=1", single}, grace: "8s",
		state: "FAILED", code: "75:0", says: "stopped by the deadline",
	},
	{
		name: "deadline and requeue", args: []string{"--time=1", preemptible}, grace: "8s",
		state: "COMPLETED", restarts: 1, says: "SLURM will start the job again",
	},
	{
		name: "scontrol requeue", args: []string{single},
		event: func(u *clusterUser, job, _ string) { u.c.Scontrol(u.T, "requeue", job) },
		state: "COMPLETED", restarts: 1, says: "stopped by a signal",
	},
	{
		name: "preemption", node: 1, args: []string{"--partition=low", "--gres=gpu:8", preemptible}, event: preempt,
		state: "COMPLETED", restarts: 1, says: "stopped by a signal",
	},
	{
		name: "preemption with grace", node: 2, args: []string{"--partition=graceful", "--gres=gpu:8", preemptible}, event: preempt,
		state: "COMPLETED", restarts: 1, says: "stopped by a signal",
	},
	{
		name: "drain", node: 3, args: []string{single}, // which lets jobs come to their end
		event: func(u *clusterUser, _, node string) {
			u.c.Scontrol(u.T, "update", "NodeName="+node, "State=DRAIN", "Reason=test")
		},
		state: "COMPLETED", says: "60 ok",
	},
	{
		name: "node down", node: 4, args: []string{preemptible},
		event: func(u *clusterUser, _, node string) {
			u.c.Scontrol(u.T, "update", "NodeName="+node, "State=DOWN", "Reason=test")
			await.Until(u.T, "the node's return", func() bool {
				// Refused where the node has come back by itself, as it may at once.
				u.c.Command(u.T, "", "scontrol", "update", "NodeName="+node, "State=RESUME").Run()
				return !strings.Contains(u.c.Scontrol(u.T, "show", "node", node), "State=DOWN")
			})
		},
		state: "COMPLETED", restarts: 1, says: "done before",
	},
}

// preempt takes the whole node for a moment.
func preempt(u *clusterUser, _, node string) {
	u.c.Sbatch(u.T, u.T.TempDir(), "#!/bin/bash\n:", "--partition=high", "--gres=gpu:8", "--nodelist="+node)
}

// However SLURM ends a job: no row is lost, none is there twice, nothing stays on the node, and the next start goes on.
func TestEndsOfJobs(t *testing.T) {
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		for _, tracker := range []string{"cgroup", "linuxproc"} {
			t.Run(tracker, func(t *testing.T) {
				t.Parallel()
				c := slurm.Start(t, slurm.Options{Nodes: 5, GPUs: 8, CPUs: 64, MemoryMB: 512_000, Proctrack: tracker, KillWait: 30})
				users, jobs := make([]*clusterUser, len(jobEnds)), make([]string, len(jobEnds))
				for i, e := range jobEnds { // SLURM takes its time for each, so they all run at once
					users[i] = newClusterUser(t, c, g, endRows)
					users[i].set("FLUXWORKER_GRACE=" + e.grace)
					jobs[i] = users[i].submit(append([]string{"--nodelist=" + c.Nodes[e.node]}, e.args...)...)
				}
				for i, e := range jobEnds {
					if e.event == nil {
						continue
					}
					users[i].midRun()
					if s := users[i].sh(75, "fluxworker", "status", "--output", "results.jsonl"); !strings.Contains(s, "running") || !strings.Contains(s, "job "+jobs[i]+" on ") {
						t.Errorf("%s: the status in mid-run is\n%s", e.name, s)
					}
					e.event(users[i], jobs[i], c.Nodes[e.node])
				}
				for i, e := range jobEnds {
					t.Run(e.name, func(t *testing.T) { e.check(t, c, users[i], jobs[i]) })
				}
			})
		}
	})
}

// endRows are the rows of each job.
const endRows = 60

func (e jobEnd) check(t *testing.T, c *slurm.Cluster, u *clusterUser, job string) {
	u.T = t
	defer func() {
		if t.Failed() {
			t.Log(u.printed())
		}
	}()
	if e.state == "COMPLETED" {
		await.Until(u.T, "the job's next start", func() bool {
			n, err := strconv.Atoi(c.Job(t, job)["Restarts"])
			return err == nil && n >= e.restarts
		})
		u.hurry()
	}
	state := c.AwaitEnd(t, job)[job]
	if code := c.Job(t, job)["ExitCode"]; state != e.state || e.code != "" && code != e.code {
		t.Errorf("the job is %s with code %s, want %s with %s", state, code, e.state, e.code)
	}
	u.gone()
	if !strings.Contains(u.printed(), e.says) {
		t.Errorf("the job did not say %q", e.says)
	}
	if e.state != "COMPLETED" {
		if u.Answered() >= endRows {
			t.Error("no row was left over")
		}
		u.sh(75, "fluxworker", "status", "--output", "results.jsonl")
		u.hurry()
		c.Await(t, u.submit(single), "COMPLETED")
	}
	u.CheckRows(endRows)
	if s := u.sh(0, "fluxworker", "status", "--output", "results.jsonl"); !strings.Contains(s, fmt.Sprintf("finished  %d", endRows)) {
		t.Errorf("in the end the status is\n%s", s)
	}
}

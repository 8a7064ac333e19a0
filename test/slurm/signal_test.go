package slurm

import (
	"fmt"
	"strings"
	"testing"
)

// A batch script whose shell waits for a child, as scripts without exec do, and the same work as an srun task. Each says
// which signals reach it. The shell waits in the background, since a trap does not run while bash waits for a child in
// the foreground.
const listener = `#!/bin/bash
listen() {
	for s in TERM USR1; do trap "echo $1 $s >%[1]s" $s; done
	echo $1 up >%[1]s
	while :; do sleep 300 & wait $!; done
}
export -f listen
bash -c 'listen child' &
srun --overlap bash -c 'listen task' &
listen shell`

// up waits until all three listen.
func up(t *testing.T, p *Pipe) {
	t.Helper()
	seen := map[string]bool{}
	for range 3 {
		seen[p.Line(t)] = true
	}
	for _, who := range []string{"shell", "child", "task"} {
		if !seen[who+" up"] {
			t.Fatalf("%s does not listen: %v", who, seen)
		}
	}
}

// signals returns what the listeners were sent, now that the job is over.
func signals(t *testing.T, c *Cluster, p *Pipe) map[string]bool {
	t.Helper()
	c.Empty(t)
	release(t, p.Path) // a last line, after all that the job has written
	seen := map[string]bool{}
	for {
		line := p.Line(t)
		if line == "go" {
			return seen
		}
		seen[line] = true
	}
}

func want(t *testing.T, got map[string]bool, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !got[l] {
			t.Errorf("no %q", l)
		}
		delete(got, l)
	}
	if len(got) > 0 {
		t.Errorf("unexpected: %v", got)
	}
}

// Who hears of the end of a job is the difference between the trackers that matters.
var trackers = []struct {
	name   string
	warned []string
}{
	{"cgroup", []string{"shell TERM", "task TERM"}},
	{"linuxproc", []string{"shell TERM", "child TERM", "task TERM"}},
}

func TestScancel(t *testing.T) {
	t.Parallel()
	for _, tracker := range trackers {
		t.Run(tracker.name, func(t *testing.T) {
			t.Parallel()
			c := Start(t, Options{Nodes: 1, Proctrack: tracker.name, KillWait: 2})
			p := NewPipe(t, t.TempDir())
			id := c.Sbatch(t, t.TempDir(), fmt.Sprintf(listener, p.Path))
			up(t, p)
			c.Scancel(t, "-b", "-s", "USR1", id)
			if got := p.Line(t); got != "shell USR1" {
				t.Errorf("after scancel -b: %s", got)
			}
			c.Scancel(t, id)
			if got := c.AwaitEnd(t, id)[id]; got != "CANCELLED" {
				t.Errorf("it ended as %s", got)
			}
			want(t, signals(t, c, p), tracker.warned...)
		})
	}
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	for _, tracker := range trackers {
		t.Run(tracker.name, func(t *testing.T) {
			t.Parallel()
			c := Start(t, Options{Nodes: 1, Proctrack: tracker.name, KillWait: 2})
			p := NewPipe(t, t.TempDir())
			id := c.Sbatch(t, t.TempDir(), fmt.Sprintf(listener, p.Path))
			up(t, p)
			c.ExpireNow(t, id)
			if got := c.AwaitEnd(t, id)[id]; got != "TIMEOUT" {
				t.Errorf("it ended as %s", got)
			}
			want(t, signals(t, c, p), tracker.warned...)
			if job := c.Job(t, id); job["JobState"] != "TIMEOUT" || job["Restarts"] != "0" {
				t.Errorf("%s after %s restarts: a TIMEOUT is not requeued", job["JobState"], job["Restarts"])
			}
		})
	}
}

// With a minute to go from the start, the signal is due at the first look at the limits.
func TestSignalOption(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]string{"--signal=B:USR1@60": "shell USR1", "--signal=USR1@60": "task USR1"} {
		t.Run(strings.Fields(want)[0], func(t *testing.T) {
			t.Parallel()
			c := Start(t, Options{Nodes: 1, KillWait: 2})
			p := NewPipe(t, t.TempDir())
			id := c.Sbatch(t, t.TempDir(), fmt.Sprintf(listener, p.Path), "--time=1", option)
			up(t, p)
			if got := p.Line(t); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			c.Scancel(t, id)
			c.AwaitEnd(t, id)
		})
	}
}

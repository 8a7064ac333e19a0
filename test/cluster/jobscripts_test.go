package cluster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/harness"
	"fluxworker/test/slurm"
)

// scriptRows are few, since servers have to be started for each script.
const scriptRows = 40

// scriptUse is how a user submits a script, and what is then there.
type scriptUse struct {
	name   string
	held   bool // the jobs are in the middle of their rows when finish is called
	submit func(u *clusterUser) (job string)
	finish func(u *clusterUser, job string)
}

var scriptUses = []scriptUse{
	{name: "single-gpu.sbatch", submit: sbatch("single-gpu.sbatch"), finish: func(u *clusterUser, job string) {
		u.c.Await(u.T, job, "COMPLETED")
		u.CheckRows(scriptRows)
		u.onGPUs(1)
	}},
	{name: "several-gpus.sbatch", submit: sbatch("--gres=gpu:2", "several-gpus.sbatch"), finish: func(u *clusterUser, job string) {
		u.c.Await(u.T, job, "COMPLETED")
		u.CheckRows(scriptRows)
		u.onGPUs(1, 1)
	}},
	{name: "array.sbatch", submit: sbatch("array.sbatch"), finish: finishArray},
	{name: "array without a word about shards", submit: sbatch("--array=0-1", "single-gpu.sbatch"), finish: func(u *clusterUser, job string) {
		for task := range u.c.Await(u.T, job, "FAILED") {
			if code := u.c.Job(u.T, task)["ExitCode"]; code != "64:0" {
				u.T.Errorf("task %s ended with code %s", task, code)
			}
		}
		if said := u.printed(); strings.Count(said, "--shard auto") != 2 || strings.Count(said, "--shard none") != 2 {
			u.T.Error("the two choices are not named")
		}
	}},
	{name: "files.sbatch", submit: func(u *clusterUser) string {
		u.sh(0, "bash", "-c", "mkdir inputs && split -l 10 --additional-suffix=.jsonl prompts.jsonl inputs/ && ls inputs/*.jsonl >files.txt")
		return u.sh(0, "bash", "-c", `sbatch --parsable --array=1-"$(wc -l <files.txt)"%4 files.sbatch`)
	}, finish: func(u *clusterUser, job string) {
		u.c.Await(u.T, job, "COMPLETED")
		for i, name := range []string{"aa", "ab", "ac", "ad"} {
			u.CheckAnswers("results/inputs/"+name+".jsonl", i*10, i*10+10)
		}
	}},
	{name: "nodes.sbatch", held: true, submit: sbatch("--ntasks-per-node=2", "--gres=gpu:2", "nodes.sbatch"), finish: finishNodes},
	{name: "chain.sh", held: true, submit: chain("single-gpu.sbatch"), finish: func(u *clusterUser, job string) {
		u.drained(1, func() { u.c.Scancel(u.T, job) }) // whatever ends a job, the chain goes on
		u.chained("every row is done")
		u.CheckRows(scriptRows)
		if n := strings.Count(u.chainLog(), "submitted job"); n != 1 {
			u.T.Errorf("%d more jobs were submitted, want 1", n)
		}
	}},
	{name: "chain.sh over an array", submit: chain("array.sbatch"), finish: func(u *clusterUser, _ string) {
		u.chained("every row is done")
		u.merge(scriptRows)
	}},
	{name: "chain.sh without progress", submit: func(u *clusterUser) string {
		u.set("FLUXWORKER_MODEL=missing:1b")
		return chain("single-gpu.sbatch")(u)
	}, finish: func(u *clusterUser, _ string) {
		u.chained("two jobs in a row brought no row, 0 are done")
	}},
	{name: "chain.sh with a bound", submit: func(u *clusterUser) string {
		u.set("FLUXWORKER_MODEL=missing:1b", "CHAIN_JOBS=1")
		return chain("single-gpu.sbatch")(u)
	}, finish: func(u *clusterUser, _ string) {
		u.chained("that were all jobs of this chain")
	}},
	{name: "interactive.sh", submit: func(u *clusterUser) string {
		said := u.sh(0, "script", "-qec", "bash interactive.sh --batch-size 2", "/dev/null")
		if !strings.Contains(said, "results results.jsonl") || !strings.Contains(said, "tok/s") {
			u.T.Errorf("without a bar or a summary:\n%s", said)
		}
		return ""
	}, finish: func(u *clusterUser, _ string) {
		u.CheckRows(scriptRows)
		u.onGPUs(1)
	}},
}

// Every script in scripts/sbatch does what it says, submitted as it is. preemptible.sbatch is in TestEndsOfJobs.
func TestJobScripts(t *testing.T) {
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		c := slurm.Start(t, slurm.Options{GPUs: 4, CPUs: 64, MemoryMB: 512_000, KillWait: 30})
		users, jobs := make([]*clusterUser, len(scriptUses)), make([]string, len(scriptUses))
		for i, s := range scriptUses {
			users[i] = newClusterUser(t, c, g, scriptRows)
			users[i].seesGPUs(4)
			if s.held {
				users[i].Hold(3) // rows of each server
			} else {
				users[i].hurry()
			}
			jobs[i] = s.submit(users[i])
		}
		for i, s := range scriptUses {
			t.Run(s.name, func(t *testing.T) {
				u := users[i]
				u.T = t
				if s.held {
					u.midRun()
				}
				s.finish(u, jobs[i])
				u.gone()
				if t.Failed() {
					t.Log(u.printed())
				}
			})
		}
	})
}

// An array on the newer engine, too.
func TestArrayOnNewEngine(t *testing.T) {
	harness.NewEngine(t, func(t *testing.T, g harness.Generation) {
		c := slurm.Start(t, slurm.Options{Nodes: 1, GPUs: 2, CPUs: 64, MemoryMB: 512_000})
		u := newClusterUser(t, c, g, scriptRows)
		u.seesGPUs(2)
		u.hurry()
		c.Await(t, u.submit("array.sbatch"), "COMPLETED")
		u.merge(scriptRows)
		u.gone()
	})
}

func sbatch(args ...string) func(*clusterUser) string {
	return func(u *clusterUser) string { return u.submit(args...) }
}

// chain starts a chain and returns its first job.
func chain(script string) func(*clusterUser) string {
	return func(u *clusterUser) string {
		said := u.sh(0, "bash", "chain.sh", "results.jsonl", script)
		_, after, _ := strings.Cut(said, "submitted job ")
		job, _, found := strings.Cut(after, ",")
		if !found {
			u.T.Fatalf("chain.sh says %q", said)
		}
		return job
	}
}

func (u *clusterUser) chainLog() string {
	log, _ := os.ReadFile(u.Path("chain.log")) // not there yet: nothing
	return string(log)
}

// chained waits for the last word of a chain.
func (u *clusterUser) chained(word string) {
	u.T.Helper()
	await.Until(u.T, "chain.log to say "+word, func() bool {
		log := u.chainLog()
		return strings.Contains(log, word) || strings.Contains(log, "stopped:") || strings.Contains(log, "every row is done")
	})
	if !strings.Contains(u.chainLog(), word) {
		u.T.Errorf("chain.log does not say %q:\n%s", word, u.chainLog())
	}
}

// merge brings the shards together, which must be complete, and checks each of so many rows and their order.
func (u *clusterUser) merge(rows int) {
	u.T.Helper()
	u.sh(0, "fluxworker", "merge", "--check", "--input", "prompts.jsonl", "--output", "results.jsonl")
	u.sh(0, "fluxworker", "merge", "--input", "prompts.jsonl", "--output", "results.jsonl")
	u.CheckRows(rows)
	f, err := os.Open(u.Path("results.jsonl"))
	if err != nil {
		u.T.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for i := 0; lines.Scan(); i++ {
		var l harness.Line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.CustomID != fmt.Sprintf("row-%d", i) {
			u.T.Errorf("line %d is %s (%v)", i+1, l.CustomID, err)
		}
	}
}

// onGPUs checks how many servers were asked on each GPU that was used.
func (u *clusterUser) onGPUs(want ...int) {
	u.T.Helper()
	servers := map[string]int{}
	for _, s := range u.Seen() {
		servers[s.Devices]++
	}
	var got []int
	for _, n := range servers {
		got = append(got, n)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		u.T.Errorf("servers on each GPU: %v, want %v", servers, want)
	}
}

// finishArray also loses two of the shards, and has only these answered anew.
func finishArray(u *clusterUser, job string) {
	if states := u.c.Await(u.T, job, "COMPLETED"); len(states) != 4 {
		u.T.Errorf("the array has the tasks %v", states)
	}
	u.sh(0, "fluxworker", "merge", "--check", "--input", "prompts.jsonl", "--output", "results.jsonl")
	lost, torn := u.Path("results.0002-of-0004.jsonl"), u.Path("results.0003-of-0004.jsonl")
	info, err := os.Stat(torn)
	for _, step := range []error{err, os.Remove(lost), os.RemoveAll(u.Path("results.run/0002-of-0004"))} {
		if step != nil {
			u.T.Fatal(step)
		}
	}
	if err := os.Truncate(torn, info.Size()*2/3); err != nil { // in the middle of a line
		u.T.Fatal(err)
	}
	u.sh(75, "fluxworker", "merge", "--check", "--input", "prompts.jsonl", "--output", "results.jsonl")
	again := []string{u.submit("--array=2", "array.sbatch"), u.submit("--array=3", "array.sbatch")}
	for _, job := range again {
		u.c.Await(u.T, job, "COMPLETED")
	}
	u.merge(scriptRows)
	outside := u.submit("--array=4", "array.sbatch") // which the first submission did not have
	u.c.Await(u.T, outside, "FAILED")
	if !strings.Contains(u.printed(), "array task 4 has no part") {
		u.T.Error("a task outside of the split is not told why it has nothing to do")
	}
}

// finishNodes cancels the step in mid-run and submits it again.
func finishNodes(u *clusterUser, job string) {
	shards := func() []string {
		files, _ := filepath.Glob(u.Path("results.000?-of-0004.jsonl"))
		return files
	}
	await.Until(u.T, "all tasks", func() bool { return len(shards()) == 4 })
	u.drained(4, func() { u.c.Scancel(u.T, job) })
	u.c.Await(u.T, job, "CANCELLED")
	u.gone()
	if said := u.printed(); strings.Count(said, "fluxworker: stopped by a signal") != 4 {
		u.T.Error("not every task has stopped in good order")
	}
	u.sh(75, "fluxworker", "status", "--output", "results.jsonl")
	u.c.Await(u.T, u.submit("--ntasks-per-node=2", "--gres=gpu:2", "nodes.sbatch"), "COMPLETED")
	u.merge(scriptRows)
	var used []string
	for i := range 4 {
		var m harness.Manifest
		u.Read(fmt.Sprintf("results.run/%04d-of-0004/manifest.json", i), &m)
		if len(m.Plan.Servers) != 1 || len(m.Plan.Servers[0].GPUs) != 1 {
			u.T.Fatalf("task %d has the servers %+v, want one on one GPU", i, m.Plan.Servers)
		}
		used = append(used, m.Plan.Servers[0].GPUs[0])
	}
	if used[0] == used[1] || used[2] == used[3] { // the tasks of one node
		u.T.Errorf("the tasks used the GPUs %v", used)
	}
}

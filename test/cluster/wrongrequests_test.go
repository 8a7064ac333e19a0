package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fluxworker/test/await"
	"fluxworker/test/build"
	"fluxworker/test/harness"
	"fluxworker/test/slurm"
)

// wrongRequests are requests that the cluster of TestWrongRequests refuses, or never starts. docs/slurm.md has a row for each
// answer.
var wrongRequests = []struct {
	args    []string
	refused string // by sbatch
	waits   string // squeue's reason; both where the answer depends on SLURM's version
	strict  string // sbatch refuses so where the site wants limits to be checked at once (EnforcePartLimits)
}{
	{args: []string{"--partition=nosuch"}, refused: "Invalid partition name specified"},
	{args: []string{"--partition=cpuonly"}, refused: "Requested node configuration is not available"},
	{args: []string{"--gres=gpu:3"}, refused: "Requested node configuration is not available"},
	{args: []string{"--gres=gpu:a100:1"}, refused: "Requested node configuration is not available"},
	{args: []string{"--gres=gpux:1"}, refused: "Invalid generic resource (gres) specification"},
	{args: []string{"--constraint=a100"}, refused: "Invalid feature specification"},
	{args: []string{"--mem=70G"}, refused: "Memory specification can not be satisfied"},
	{args: []string{"--cpus-per-task=64"}, refused: "CPU count per node can not be satisfied", waits: "PartitionConfig", strict: "More processors requested than permitted"},
	{args: []string{"--partition=small"}, waits: "MaxMemPerLimit", strict: "Memory required by task is not available"},
	{args: []string{"--partition=small", "--mem=100", "--time=02:00:00"}, waits: "PartitionTimeLimit", strict: "Requested time limit is invalid"},
	{args: []string{"--partition=closed"}, waits: "PartitionDown"},
	{args: []string{"--nodelist=drained"}, waits: "ReqNodeNotAvail"},
}

// What a user sees of a script of plan --sbatch whose request does not suit the cluster.
func TestWrongRequests(t *testing.T) {
	page, err := os.ReadFile("../../docs/slurm.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range wrongRequests {
		for _, word := range []string{x.refused, x.waits, x.strict} {
			if word != "" && !strings.Contains(string(page), ": `"+word+"`") {
				t.Errorf("docs/slurm.md has no row for %s", word)
			}
		}
	}
	for _, limits := range []string{"NO", "ALL"} {
		t.Run("EnforcePartLimits="+limits, func(t *testing.T) {
			t.Parallel()
			c := slurm.Start(t, slurm.Options{Nodes: 1, GPUs: 2, Conf: []string{
				"EnforcePartLimits=" + limits,
				"NodeName=cpunode NodeAddr=127.0.0.1 CPUs=8 RealMemory=8000 State=DOWN",
				"PartitionName=cpuonly Nodes=cpunode State=UP",
				"PartitionName=small Nodes=ALL MaxMemPerNode=1000 MaxTime=60 State=UP",
				"PartitionName=closed Nodes=ALL State=DOWN",
			}})
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "in.jsonl"), []byte(`{"prompt":"a"}`+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			script, err := c.Command(t, dir, build.Fluxworker(t), "plan", "--sbatch", "--input", "in.jsonl", "--output", "out.jsonl", "--rate", "5",
				"--model", "llama3.2:3b", "--gpu", "A100-40GB", "--ollama", "nonexistent").Output()
			if err != nil {
				t.Fatal(err)
			}
			c.Scontrol(t, "update", "NodeName="+c.Nodes[0], "State=DRAIN", "Reason=test")
			for _, x := range wrongRequests {
				refused, waits := x.refused, x.waits
				if limits == "ALL" && x.strict != "" {
					refused, waits = x.strict, ""
				}
				answer(t, c, dir, string(script), x.args, refused, waits)
			}
		})
	}
}

// answer submits a script and checks what SLURM answers.
func answer(t *testing.T, c *slurm.Cluster, dir, script string, args []string, refused, waits string) {
	t.Helper()
	name := strings.Join(args, " ")
	sbatch := c.Command(t, dir, "sbatch", append([]string{"--parsable"}, strings.Fields(strings.Replace(name, "drained", c.Nodes[0], 1))...)...)
	sbatch.Stdin = strings.NewReader(script)
	out, err := sbatch.CombinedOutput()
	said := strings.TrimSpace(string(out))
	switch {
	case err != nil && (refused == "" || !strings.Contains(said, refused)):
		t.Errorf("%s: %v: sbatch says %q, want %q", name, err, said, refused)
	case err == nil && waits == "":
		t.Errorf("%s: sbatch accepts the job, want %q", name, refused)
	case err == nil:
		await.Until(t, name+" to wait for "+waits, func() bool {
			reason, err := c.Command(t, dir, "squeue", "--noheader", "--jobs="+said, "--format=%T %r").Output()
			return err == nil && strings.HasPrefix(string(reason), "PENDING "+waits)
		})
	}
}

// A job with too little memory: the kernel kills the server, fluxworker names the memory that would do, and the same script
// with that memory answers the remaining rows.
func TestJobOutOfMemory(t *testing.T) {
	harness.OldEngine(t, func(t *testing.T, g harness.Generation) {
		const rows = 20
		c := slurm.Start(t, slurm.Options{Nodes: 1, ConstrainMemory: true})
		dir := t.TempDir()
		input := strings.Repeat(`{"prompt":"count 3","max_tokens":4}`+"\n", rows)
		if err := os.WriteFile(filepath.Join(dir, "in.jsonl"), []byte(input), 0o600); err != nil {
			t.Fatal(err)
		}
		script, err := c.Command(t, dir, build.Fluxworker(t), "plan", "--sbatch", "--input", "in.jsonl", "--output", "out.jsonl", "--rate", "5",
			"--model", "bigram", "--device", "cpu", "--context", "512", "--ollama", g.Ollama, "--ollama-models", g.Models).Output()
		if err != nil {
			t.Fatal(err)
		}
		// SLURM does not tell the code of such a job, so the script does.
		id := c.Sbatch(t, dir, strings.Replace(string(script), "exec ", "", 1)+"\necho code $?\n", "--mem=30M")
		c.Await(t, id, "OUT_OF_MEMORY")
		out, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("slurm-%s.out", id)))
		wanted := []string{"fluxworker: prepare server: ", "code 82", "oom-kill"}
		if strings.Contains(string(out), "loading model") {
			wanted = append(wanted, "the job has 30.0 MiB of host memory", "--mem=4G would do")
		} else { // the kernel has already killed the server that was asked about the model
			wanted = append(wanted, "signal: killed (by the kernel, if the job's memory was used up: ask for more with --mem)")
		}
		for _, want := range wanted {
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("the job does not say %q (%v):\n%s", want, err, out)
			}
		}
		c.Await(t, c.Sbatch(t, dir, string(script)), "COMPLETED")
		answers, err := os.ReadFile(filepath.Join(dir, "out.jsonl"))
		if n := strings.Count(string(answers), `"status_code":200`); err != nil || n != rows {
			t.Errorf("%d answers, %v; want %d", n, err, rows)
		}
	})
}

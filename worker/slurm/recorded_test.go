package slurm_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	cluster "fluxworker/test/slurm"
	"fluxworker/worker/slurm"
)

var record = flag.Bool("record", false, "write the environments of the live cluster to testdata")

// A situation is a way in which a process comes to be in a job. Its script has %s where the process is to be.
type situation struct {
	name   string
	salloc bool // run by bash on the login node; otherwise submitted with sbatch
	script string
	args   []string
	tasks  int // how many processes there are
}

var situations = []situation{
	{name: "sbatch", script: "exec %s", args: []string{"--job-name=answers"}, tasks: 1},
	{name: "sbatch-gpu", script: "exec %s", args: []string{"--gres=gpu:1", "--cpus-per-task=2", "--mem=300"}, tasks: 1},
	{name: "sbatch-gpus-4", script: "exec %s", args: []string{"--gpus=4", "--mem-per-gpu=50"}, tasks: 1},
	{name: "sbatch-all-memory", script: "exec %s", args: []string{"--mem=0", "--exclusive"}, tasks: 1},
	{name: "array-0-3", script: "exec %s", args: []string{"--array=0-3%2", "--gres=gpu:1"}, tasks: 4},
	{name: "array-2-alone", script: "exec %s", args: []string{"--array=2"}, tasks: 1},
	{name: "array-1-9-step-4", script: "exec %s", args: []string{"--array=1-9:4"}, tasks: 3},
	{name: "array-list", script: "exec %s", args: []string{"--array=1,5,9-11%3"}, tasks: 5},
	{name: "array-list-as-if-even", script: "exec %s", args: []string{"--array=0,2,3,6"}, tasks: 4},
	{name: "batch-n4", script: "exec %s", args: []string{"-n4"}, tasks: 1},
	{name: "step-two-nodes", script: "srun %s", args: []string{"-N2", "-n3"}, tasks: 3},
	{name: "step-gpus-shared", script: "srun -n4 %s", args: []string{"-n4", "--gres=gpu:4"}, tasks: 4},
	{name: "step-gpus-per-task", script: "srun -n4 --gpus-per-task=1 %s", args: []string{"-n4", "--gres=gpu:4"}, tasks: 4},
	{name: "job-gpus-per-task", script: "srun %s", args: []string{"-n4", "-N1", "--gpus-per-task=1"}, tasks: 4},
	{name: "step-gpus-per-task-bind-none", script: "srun -n4 --gpus-per-task=1 --gpu-bind=none %s", args: []string{"-n4", "--gres=gpu:4"}, tasks: 4},
	{name: "step-gpu-bind-single", script: "srun -n4 --gpu-bind=single:1 %s", args: []string{"-n4", "--gres=gpu:4"}, tasks: 4},
	{name: "step-gpu-bind-single-two", script: "srun -n4 --gpu-bind=single:2 %s", args: []string{"-n4", "--gres=gpu:2"}, tasks: 4},
	{name: "step-gpu-bind-single-again", script: "srun -n4 --gpu-bind=single:1 %s", args: []string{"-n4", "--gres=gpu:3"}, tasks: 4},
	{name: "step-gpu-bind-map-uneven", script: "srun -n5 --gpu-bind=map_gpu:0*2,2 %s", args: []string{"-n5", "--gres=gpu:3"}, tasks: 5},
	{name: "step-gpu-bind-closest", script: "srun -n2 --gpu-bind=closest %s", args: []string{"-n2", "--gres=gpu:2"}, tasks: 2},
	{name: "step-gpu-bind-map", script: "srun -n4 --gpu-bind=map_gpu:0,1,2,3 %s", args: []string{"-n4", "--gres=gpu:4"}, tasks: 4},
	{name: "step-gpu-bind-mask", script: "srun -n2 --gpu-bind=mask_gpu:0x3,0xc %s", args: []string{"-n2", "--gres=gpu:4"}, tasks: 2},
	{name: "step-ntasks-per-gpu", script: "srun %s", args: []string{"--gpus=2", "--ntasks-per-gpu=2"}, tasks: 4},
	{name: "step-in-array", script: "srun -n2 %s", args: []string{"--array=4-5", "-n2"}, tasks: 4},
	{name: "steps-one-task-each", script: "for i in 0 1; do srun --exact -n1 -c1 --gres=gpu:1 %s & done; wait", args: []string{"-n2", "--gres=gpu:2"}, tasks: 2},
	{name: "srun-alone", salloc: true, script: "srun -n2 --gres=gpu:2 %s", tasks: 2},
	{name: "salloc-shell", salloc: true, script: "salloc -n2 --gres=gpu:2 bash -c '%s'", tasks: 1},
	{name: "salloc-step", salloc: true, script: "salloc -n2 --gres=gpu:2 srun %s", tasks: 2},
	{name: "sbatch-from-array-step", script: "srun -n1 sbatch --wait --wrap 'exec %s'", args: []string{"--array=7", "-n2", "--gres=gpu:1"}, tasks: 1},
	{name: "sbatch-from-step", script: `srun -n4 bash -c '[ $SLURM_PROCID != 3 ] || sbatch --wait --gres=gpu:1 --wrap "exec %s"'`, args: []string{"-n4", "--gres=gpu:1"}, tasks: 1},
	{name: "srun-in-cpus-per-task", script: "srun -n1 %s", args: []string{"--cpus-per-task=4"}, tasks: 1},
}

// place names a process of a context, for its file.
func place(j slurm.Job) string {
	var parts []string
	if j.InArray() {
		parts = append(parts, fmt.Sprint("task", j.Array.Task))
	}
	if j.Step.In {
		if j.Step.Tasks == 1 {
			parts = append(parts, fmt.Sprint("step", j.Step.ID))
		} else {
			parts = append(parts, fmt.Sprint("rank", j.Step.Rank))
		}
	}
	return strings.Join(append(parts, "env"), ".")
}

var (
	noise = regexp.MustCompile(`^SLURM\w*(_CONF|CLUSTER_NAME|WORKING_CLUSTER|_PORT|_PID|_HOST|_HOSTNAME|_DIR|_IPADDR|_ADDR|_ADDR_PATTERN|_UMASK|UMASK|NODE_ALIASES|PRIO_PROCESS|_GID|_UID|_SLUID)=`)
	node  = regexp.MustCompile(`fw[a-z]{6}n`)
)

// tidy leaves out what belongs to this machine and this cluster, and gives the nodes plain names.
func tidy(env []string) []string {
	var kept []string
	for _, kv := range env {
		if !noise.MatchString(kv) {
			kept = append(kept, node.ReplaceAllString(kv, "node"))
		}
	}
	return kept
}

// versions are those of the recorded environments. "make test-slurm SLURM=24.11" compares them with a live cluster of that version.
var versions = []string{"22.05", "24.11", "26.05"}

// The live cluster's environments equal those in testdata, so the tests of testdata match reality.
func TestLiveEnvironmentsAreAsRecorded(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{GPUs: 4})
	version := c.Version(t)
	for _, x := range situations {
		dir := t.TempDir()
		p := cluster.NewPipe(t, dir)
		script := fmt.Sprintf(x.script, job(t, "environment", p))
		start(t, c, dir, x, script)
		for range x.tasks {
			var env []string
			read(t, p, &env)
			check(t, version, x, tidy(env))
		}
		c.Empty(t)
	}
}

func start(t *testing.T, c *cluster.Cluster, dir string, x situation, script string) {
	t.Helper()
	if !x.salloc {
		c.Sbatch(t, dir, "#!/bin/bash\n"+script, x.args...)
		return
	}
	cmd := c.Command(t, dir, "bash", "-c", script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

func check(t *testing.T, version string, x situation, env []string) {
	t.Helper()
	live, err := slurm.FromEnviron(env)
	if err != nil {
		t.Errorf("%s: %v", x.name, err)
	}
	name := x.name + "." + place(live)
	if *record {
		file := recordingFile(version, name)
		if err := os.WriteFile(file, []byte(strings.Join(env, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	recorded, err := slurm.FromEnviron(recording(t, version, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range []*slurm.Job{&live, &recorded} {
		j.ID, j.Array.JobID, j.End = min(j.ID, 1), min(j.Array.JobID, 1), time.Time{} // which job it was does not count, nor when
		if j.InArray() {
			j.Node, j.GPUs.Job = "", "" // tasks get what others have left free at that moment
		}
	}
	if !reflect.DeepEqual(live, recorded) {
		t.Errorf("SLURM %s, %s:\n live     %+v\n recorded %+v", version, name, fields(live), fields(recorded))
	}
}

func recordingFile(version, name string) string { return filepath.Join("testdata", version, name) }

// recording returns an environment that a version has set.
func recording(t *testing.T, version, name string) []string {
	t.Helper()
	b, err := os.ReadFile(recordingFile(version, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

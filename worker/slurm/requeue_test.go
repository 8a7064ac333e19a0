package slurm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cluster "fluxworker/test/slurm"
	"fluxworker/worker/slurm"
)

func TestRequeueRefuses(t *testing.T) {
	standIn(t, "scontrol", "touch "+filepath.Join(t.TempDir(), "asked"))
	for name, c := range map[string]struct {
		job  slurm.Job
		want string
	}{
		"outside":       {slurm.Job{}, "not in a SLURM job"},
		"several tasks": {slurm.Job{ID: 7, Step: slurm.Step{In: true, Tasks: 4}}, "would end the other 3"},
	} {
		refused, ok := errors.AsType[*slurm.RequeueError](c.job.Requeue(t.Context()))
		if !ok || !strings.Contains(refused.Refused, c.want) {
			t.Errorf("%s: %v", name, refused)
		}
	}
}

func TestRequeueFails(t *testing.T) {
	standIn(t, "scontrol", "echo Requested operation is presently disabled >&2; exit 1")
	err := slurm.Job{ID: 7}.Requeue(t.Context())
	failed, ok := errors.AsType[*slurm.RequeueError](err)
	if !ok || failed.Refused != "" || failed.Job != "7" {
		t.Fatalf("%#v", err)
	}
	for _, part := range []string{"requeue job 7", "exit status 1", "presently disabled"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %q", part, err)
		}
	}
}

func init() {
	jobDoes["requeue"] = func() error {
		j, err := slurm.FromEnviron(os.Environ())
		if err != nil {
			return err
		}
		if err := report("with variables of " + j.Ref()); err != nil { // first, since a requeued process may be killed at once
			return err
		}
		if err := j.Requeue(context.Background()); err != nil {
			return report("failed: " + err.Error())
		}
		return nil
	}
}

// The last task of an array has the array's id. It requeues itself, and no other task starts again.
func TestLiveRequeueOfAnArraysLastTask(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Nodes: 1, KillWait: 2})
	dir := t.TempDir()
	p, up := cluster.NewPipe(t, dir), cluster.NewPipe(t, dir)
	id := c.Sbatch(t, dir, fmt.Sprintf(`#!/bin/bash
echo $SLURM_ARRAY_TASK_ID ${SLURM_RESTART_COUNT:-0} $((SLURM_JOB_ID == SLURM_ARRAY_JOB_ID)) >%s
[ -n "$SLURM_RESTART_COUNT" ] && exit
[ $SLURM_ARRAY_TASK_ID = 2 ] && %s
sleep 300`, up.Path, job(t, "requeue", p)), "--array=0-2")
	for range 3 {
		if line := up.Line(t); !strings.HasSuffix(line, " 0 "+map[bool]string{true: "1", false: "0"}[strings.HasPrefix(line, "2 ")]) {
			t.Fatalf("%q: the premise does not hold", line)
		}
	}
	var said string
	read(t, p, &said)
	if want := "with variables of " + id + "_2"; said != want {
		t.Fatalf("%q, want %q", said, want)
	}
	if line := up.Line(t); line != "2 1 1" {
		t.Errorf("%q started again, want task 2", line)
	}
	c.Await(t, id+"_2", "COMPLETED")
	for _, task := range []string{"_0", "_1"} {
		if j := c.Job(t, id+task); j["JobState"] != "RUNNING" || j["Restarts"] != "0" {
			t.Errorf("task %s is %s after %s restarts", task, j["JobState"], j["Restarts"])
		}
	}
	up.None(t)
	c.Scancel(t, id)
}

// A job that a task of an array has submitted has the array's variables, and requeues itself.
func TestLiveRequeueOfAJobOfAnArray(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Nodes: 1, KillWait: 2})
	dir := t.TempDir()
	p, up := cluster.NewPipe(t, dir), cluster.NewPipe(t, dir)
	next := filepath.Join(dir, "next.sh")
	script := fmt.Sprintf("#!/bin/bash\necho $SLURM_JOB_ID ${SLURM_RESTART_COUNT:-0} >%s\n[ -n \"$SLURM_RESTART_COUNT\" ] && exit\n%s\nsleep 300", up.Path, job(t, "requeue", p))
	if err := os.WriteFile(next, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	array := c.Sbatch(t, dir, "#!/bin/bash\nsbatch "+next+"\nsleep 300", "--array=4")
	id, _, _ := strings.Cut(up.Line(t), " ")
	var said string
	read(t, p, &said)
	if want := "with variables of " + array + "_4"; said != want {
		t.Fatalf("%q, want %q: the premise does not hold", said, want)
	}
	if line := up.Line(t); line != id+" 1" {
		t.Errorf("%q, want job %s again", line, id)
	}
	if j := c.Job(t, array+"_4"); j["JobState"] != "RUNNING" || j["Restarts"] != "0" {
		t.Errorf("the array's task is %s after %s restarts", j["JobState"], j["Restarts"])
	}
}

func TestLiveRequeueNotAllowed(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Nodes: 1})
	dir := t.TempDir()
	p := cluster.NewPipe(t, dir)
	c.Sbatch(t, dir, "#!/bin/bash\nexec "+job(t, "requeue", p), "--no-requeue")
	var said string
	read(t, p, &said)
	read(t, p, &said)
	if !strings.Contains(said, "failed: requeue job") || !strings.Contains(said, "exit status 1") {
		t.Errorf("--no-requeue: %q", said)
	}
	c.Sbatch(t, dir, "#!/bin/bash\nsrun "+job(t, "requeue", p), "-n2")
	refused := 0
	for range 4 { // of either task two lines
		read(t, p, &said)
		if strings.Contains(said, "would end the other 1") {
			refused++
		}
	}
	if refused != 2 {
		t.Errorf("%d of two tasks were refused; one said %q", refused, said)
	}
}

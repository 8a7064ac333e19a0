package slurm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	cluster "fluxworker/test/slurm"
	"fluxworker/worker/slurm"
)

// standIn puts a command of this text into a PATH of its own.
func standIn(t *testing.T, name, text string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
}

func TestAskWithoutSqueue(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	j := slurm.Job{ID: 7}
	if got, err := j.Ask(t.Context()); err != nil || !reflect.DeepEqual(got, j) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAskNothing(t *testing.T) {
	standIn(t, "squeue", "echo asked >&2; exit 1")
	for _, j := range []slurm.Job{{}, {ID: 7, EndFrom: slurm.FromEndTime, End: time.Unix(1700000000, 0)}} {
		if got, err := j.Ask(t.Context()); err != nil || !reflect.DeepEqual(got, j) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestAskAnswers(t *testing.T) {
	array := slurm.Array{JobID: 5, Task: 3, Count: 4, Min: 0, Max: 3, Step: 1}
	for _, c := range []struct {
		name, prints string
		job          slurm.Job
		ref          string
		left         time.Duration // -1 for no limit
		err          string
	}{
		{"a job", "7 7 N/A 1:00:00", slurm.Job{ID: 7}, "7", time.Hour, ""},
		{"no limit", "7 7 N/A UNLIMITED", slurm.Job{ID: 7}, "7", -1, ""},
		{"over the limit", "7 7 N/A INVALID", slurm.Job{ID: 7}, "7", 0, ""},
		{"the last task, whose id is the array's", "6 5 0 9:00\n5 5 3 1:00\n8 5 2 7:00", slurm.Job{ID: 5, Array: array}, "5_3", time.Minute, ""},
		{"another task", "6 5 3 9:00", slurm.Job{ID: 6, Array: array}, "5_3", 9 * time.Minute, ""},
		{"variables of another array", "7 7 N/A 9:00", slurm.Job{ID: 7, Array: array}, "7", 9 * time.Minute, ""},
		{"nothing", "", slurm.Job{ID: 7}, "7", -1, "squeue printed"},
		{"another job", "8 8 N/A 9:00", slurm.Job{ID: 7}, "7", -1, "squeue printed"},
		{"no time", "7 7 N/A soon", slurm.Job{ID: 7}, "7", -1, `time left "soon"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			standIn(t, "squeue", "cat <<'.'\n"+c.prints+"\n.")
			before := time.Now()
			got, err := c.job.Ask(t.Context())
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if got.Ref() != c.ref {
				t.Errorf("it is %s, want %s", got.Ref(), c.ref)
			}
			if c.left < 0 {
				if got.EndFrom != "" || !got.End.IsZero() {
					t.Errorf("ends at %v by %s", got.End, got.EndFrom)
				}
				return
			}
			if got.EndFrom != slurm.FromController || got.End.Before(before.Add(c.left)) || got.End.After(time.Now().Add(c.left)) {
				t.Errorf("ends at %v by %s, want %v from now", got.End, got.EndFrom, c.left)
			}
		})
	}
}

// A controller that is down is an error, and leaves the job as the environment has it.
func TestAskFails(t *testing.T) {
	j := slurm.Job{ID: 6, Array: slurm.Array{JobID: 5, Task: 3, Count: 4, Min: 0, Max: 3, Step: 1}}
	t.Run("at once", func(t *testing.T) {
		standIn(t, "squeue", "echo slurm_load_jobs error: Unable to contact slurm controller >&2; exit 1")
		if got, err := j.Ask(t.Context()); err == nil || !strings.Contains(err.Error(), "Unable to contact") || !reflect.DeepEqual(got, j) {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("without an answer", func(t *testing.T) {
		standIn(t, "squeue", "exec sleep 300")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if got, err := j.Ask(ctx); !errors.Is(err, context.DeadlineExceeded) || !reflect.DeepEqual(got, j) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// asked is what a process of a job learns.
type asked struct {
	Job   slurm.Job
	Err   string
	Split string // of the job, with the shard
}

func init() {
	jobDoes["ask"] = func() error {
		j, err := slurm.FromEnviron(os.Environ())
		if err != nil {
			return err
		}
		j, err = j.Ask(context.Background())
		a := asked{Job: j}
		if err != nil {
			a.Err = err.Error()
		}
		if split, err := j.Split(); err != nil {
			a.Split = err.Error()
		} else if s, err := split.Shard(j); err != nil {
			a.Split = err.Error()
		} else {
			a.Split = fmt.Sprintf("%s: %s", split, s)
		}
		return report(a)
	}
}

// onlyController names the case whose environment does not say when the job ends.
const onlyController = "the environment says nothing"

func TestLiveAsk(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{CPUs: 16})
	byVersion := slurm.FromEndTime
	if c.Version(t) == "22.05" { // which does not set the variable
		byVersion = slurm.FromController
	}
	for _, x := range []struct {
		name, script string
		args         []string
		left         time.Duration // 0 for no limit
		want         []string      // each process's id and split
	}{
		{onlyController, "exec env -u SLURM_JOB_END_TIME %s", []string{"--time=3"}, 3 * time.Minute, []string{"JOB one job: 0/1"}},
		{"a limit", "exec %s", []string{"--time=3"}, 3 * time.Minute, []string{"JOB one job: 0/1"}},
		{"days", "exec %s", []string{"--time=2-01:00:00"}, 49 * time.Hour, []string{"JOB one job: 0/1"}},
		{"no limit", "exec %s", []string{"--time=UNLIMITED"}, 0, []string{"JOB one job: 0/1"}},
		{"an array", "exec %s", []string{"--time=5", "--array=0-2"}, 5 * time.Minute,
			[]string{"JOB_0 array tasks 0-2: 0/3", "JOB_1 array tasks 0-2: 1/3", "JOB_2 array tasks 0-2: 2/3"}},
		{"a list", "exec %s", []string{"--time=5", "--array=0,2,3,6%2"}, 5 * time.Minute,
			[]string{"JOB_0 array tasks 0,2-3,6: 0/4", "JOB_2 array tasks 0,2-3,6: 1/4", "JOB_3 array tasks 0,2-3,6: 2/4", "JOB_6 array tasks 0,2-3,6: 3/4"}},
		{"an array of steps", "srun %s", []string{"--time=5", "--array=1-3:2", "-N2"}, 5 * time.Minute,
			[]string{"JOB_1 array tasks 1,3, each a step of 2 tasks: 0/4", "JOB_1 array tasks 1,3, each a step of 2 tasks: 1/4",
				"JOB_3 array tasks 1,3, each a step of 2 tasks: 2/4", "JOB_3 array tasks 1,3, each a step of 2 tasks: 3/4"}},
		{"a job of a task of an array", "sbatch --time=4 --wrap 'exec %s'", []string{"--time=9", "--array=3"}, 4 * time.Minute, []string{"NEXT one job: 0/1"}},
	} {
		dir := t.TempDir()
		p := cluster.NewPipe(t, dir)
		id := c.Sbatch(t, dir, "#!/bin/bash\n"+fmt.Sprintf(x.script, job(t, "ask", p)), x.args...)
		var got []string
		for range x.want {
			var a asked
			read(t, p, &a)
			if a.Err != "" {
				t.Errorf("%s: %s", x.name, a.Err)
			}
			ref := strings.Replace(a.Job.Ref(), id, "JOB", 1)
			if ref == a.Job.Ref() {
				ref = "NEXT"
			}
			got = append(got, ref+" "+a.Split)
			if x.left == 0 {
				if a.Job.EndFrom != "" {
					t.Errorf("%s: ends at %v by %s", x.name, a.Job.End, a.Job.EndFrom)
				}
				continue
			}
			from := byVersion
			if x.name == onlyController {
				from = slurm.FromController
			}
			if a.Job.EndFrom != from {
				t.Errorf("%s: the end is from %q, want %s", x.name, a.Job.EndFrom, from)
			}
			// The controller's own word, which it prints in seconds.
			end, err := time.ParseInLocation("2006-01-02T15:04:05", c.Job(t, a.Job.Ref())["EndTime"], time.Local)
			if err != nil {
				t.Fatal(err)
			}
			if ended := c.Job(t, a.Job.Ref())["JobState"] != "RUNNING"; !ended && end.Sub(a.Job.End).Abs() > 2*time.Second {
				t.Errorf("%s: ends at %v, the controller says %v", x.name, a.Job.End, end)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
		c.Empty(t)
	}
}

func TestLiveAskControllerDown(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Nodes: 1})
	dir := t.TempDir()
	p := cluster.NewPipe(t, dir)
	c.Sbatch(t, dir, "#!/bin/bash\nunset SLURM_JOB_END_TIME; mkfifo gate; echo up >"+p.Path+"; cat gate; "+job(t, "ask", p), "--array=1-1")
	p.Line(t)
	c.Stop(t, "slurmctld", 15)
	release(t, dir)
	var a asked
	read(t, p, &a)
	if !strings.Contains(a.Err, "no answer within 5s") && !strings.Contains(a.Err, "exit status") || a.Job.EndFrom != "" || !a.Job.InArray() {
		t.Errorf("%+v", a)
	}
}

// release lets go a job that reads from "gate" in dir.
func release(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "gate"), []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
}

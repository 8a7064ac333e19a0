package slurm

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// askLimit limits every request to the controller. SLURM's own commands give up after 9 seconds if the controller is
// down. That is too long for a waiting job, and a busy controller needs far less.
const askLimit = 5 * time.Second

// Ask returns the job with corrections and additions from the controller, which it asks with one or two squeue calls.
// It adds the end of the time limit if the environment has none. It clears Array if the job only inherited the
// variables of an array. It adds the task numbers of an array if they are a list with gaps. Without need for a
// question, or without squeue in the PATH, it returns the job unchanged. With an error it returns what it has learned
// so far; the error means that the controller gave no usable answer within five seconds, and never that the job has
// ended.
func (j Job) Ask(ctx context.Context) (Job, error) {
	if !j.Inside() || !j.InArray() && j.EndFrom != "" {
		return j, nil
	}
	if _, err := exec.LookPath("squeue"); err != nil {
		return j, nil
	}
	asked := time.Now()
	k, err := j.identify(ctx)
	if err != nil {
		return j, err
	}
	asking := j
	asking.Array = k.array(j.Array)
	if j.EndFrom == "" {
		left, limited, err := timeLeft(k.left)
		if err != nil {
			return asking, fmt.Errorf("ask the controller about job %s: %w", asking.Ref(), err)
		}
		if limited {
			asking.End, asking.EndFrom = asked.Add(left), FromController
		}
	}
	if !asking.InArray() {
		return asking, nil
	}
	if _, told := asking.Array.Numbers(); told {
		return asking, nil
	}
	asking.Array.Listed, err = asking.listTasks(ctx)
	return asking, err
}

// known is the controller's line about a job.
type known struct {
	arrayJob int64 // the job's own id if it is not in an array
	task     int   // -1 if the job is not in an array
	left     string
}

// array returns the environment's array, or the zero value if the controller does not confirm it.
func (k known) array(a Array) Array {
	if k.task < 0 || k.arrayJob != a.JobID || k.task != a.Task {
		return Array{}
	}
	return a
}

// identify asks about SLURM_JOB_ID, the only id that is never inherited. The last task of an array has the array's id,
// so squeue may print a line for each task; the first column, the task's own id, selects the line.
func (j Job) identify(ctx context.Context) (known, error) {
	out, err := command(ctx, "squeue", "--noheader", "--array", "--jobs="+strconv.FormatInt(j.ID, 10), "--format=%A %F %K %L")
	if err != nil {
		return known{}, fmt.Errorf("ask the controller about job %d: %w", j.ID, err)
	}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) != 4 || f[0] != strconv.FormatInt(j.ID, 10) {
			continue
		}
		k := known{task: -1, left: f[3]}
		if k.arrayJob, err = strconv.ParseInt(f[1], 10, 64); err != nil {
			break
		}
		if n, err := strconv.Atoi(f[2]); err == nil {
			k.task = n
		}
		return k, nil
	}
	return known{}, fmt.Errorf("ask the controller about job %d: squeue printed %q", j.ID, out)
}

// listTasks asks for the numbers of all tasks of the array, including ended ones. It fails if the controller has
// forgotten some: it forgets a task some time (MinJobAge) after its end.
func (j Job) listTasks(ctx context.Context) ([]int, error) {
	out, err := command(ctx, "squeue", "--noheader", "--array", "--states=all", "--jobs="+strconv.FormatInt(j.Array.JobID, 10), "--format=%K")
	if err != nil {
		return nil, fmt.Errorf("ask the controller for the tasks of array %d: %w", j.Array.JobID, err)
	}
	var tasks []int
	for f := range strings.FieldsSeq(out) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("ask the controller for the tasks of array %d: squeue printed %q", j.Array.JobID, f)
		}
		tasks = append(tasks, n)
	}
	slices.Sort(tasks)
	tasks = slices.Compact(tasks)
	if len(tasks) != j.Array.Count || tasks[0] != j.Array.Min || tasks[len(tasks)-1] != j.Array.Max {
		return nil, fmt.Errorf("ask the controller for the tasks of array %d: it knows only %d of %d; the others ended too long ago", j.Array.JobID, len(tasks), j.Array.Count)
	}
	return tasks, nil
}

// command runs a SLURM command and returns its output. The error includes the command's stderr.
func command(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, fmt.Errorf("no answer within %v", askLimit))
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = 100 * time.Millisecond // a child may hold the pipes
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: %w", name, context.Cause(ctx))
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return string(out), nil
}

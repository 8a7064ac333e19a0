package slurm

import (
	"context"
	"fmt"
)

// RequeueError means that the job was not requeued.
type RequeueError struct {
	Job string // the job's name, from Job.Ref
	// Refused is the reason why scontrol was not called; "" if it was called.
	Refused string
	Err     error // scontrol's error with its exit status
}

func (e *RequeueError) Error() string {
	if e.Refused != "" {
		return fmt.Sprintf("requeue job %s: %s", e.Job, e.Refused)
	}
	return fmt.Sprintf("requeue job %s: %v", e.Job, e.Err)
}

func (e *RequeueError) Unwrap() error { return e.Err }

// Requeue requeues this job, or only this task of an array: it ends now, as with scancel, and starts again with the
// same id and Restarts increased by one. Call it last: if the batch shell is an ancestor of this process, the kill may
// come before Requeue returns. Call it only after progress, otherwise a broken job restarts forever. Requeue refuses a
// step with several tasks, because one task would end the others. The error is a *RequeueError: scontrol fails if the
// job is not a batch job, or if its user (--no-requeue) or site (JobRequeue=0) forbids requeueing.
func (j Job) Requeue(ctx context.Context) error {
	refuse := func(reason string) error { return &RequeueError{Job: j.Ref(), Refused: reason} }
	switch {
	case !j.Inside():
		return refuse("this process is not in a SLURM job")
	case j.Step.Tasks > 1:
		return refuse(fmt.Sprintf("one task of a step would end the other %d; let the batch script run scontrol requeue after srun", j.Step.Tasks-1))
	}
	if j.InArray() { // the variables, and so Ref, may be another job's
		k, err := j.identify(ctx)
		if err != nil {
			return &RequeueError{Job: j.Ref(), Err: err}
		}
		j.Array = k.array(j.Array)
	}
	if _, err := command(ctx, "scontrol", "requeue", j.Ref()); err != nil {
		return &RequeueError{Job: j.Ref(), Err: err}
	}
	return nil
}

package slurm

import (
	"context"
	"fmt"
)

// RequeueError means that the job was not put back into the queue.
type RequeueError struct {
	Job string // as Job.Ref names it
	// Refused is the reason for which scontrol was not even asked; "" where it was.
	Refused string
	Err     error // what scontrol said, with its exit status
}

func (e *RequeueError) Error() string {
	if e.Refused != "" {
		return fmt.Sprintf("requeue job %s: %s", e.Job, e.Refused)
	}
	return fmt.Sprintf("requeue job %s: %v", e.Job, e.Err)
}

func (e *RequeueError) Unwrap() error { return e.Err }

// Requeue puts this job, or this task of an array alone, back into the queue: it ends now, as by scancel, and starts
// again with the same id and Restarts one higher. It is the last thing to do: where the batch shell is above this process,
// the kill may come before Requeue returns. A worker asks for it only after progress, or a broken job starts for
// ever. A step of several tasks is refused, since one task would end the others. The error is a *RequeueError: scontrol
// fails where the job is no batch job, or its user (--no-requeue) or site (JobRequeue=0) does not allow it.
func (j Job) Requeue(ctx context.Context) error {
	refuse := func(reason string) error { return &RequeueError{Job: j.Ref(), Refused: reason} }
	switch {
	case !j.Inside():
		return refuse("this process is in no SLURM job")
	case j.Step.Tasks > 1:
		return refuse(fmt.Sprintf("one task of a step would end the other %d; let the batch script run scontrol requeue after srun", j.Step.Tasks-1))
	}
	if j.InArray() { // the variables may be another job's, and so would be the name that they give
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

package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/slurm"
)

// Place says where a run stands: the SLURM job around it, and which part of the input is its own.
type Place struct {
	Job   slurm.Job    // zero outside of SLURM
	Shard slurm.Choice // as the user chose
	// Limit is when the job ends, by the user's word; zero asks SLURM. NoLimit says that it does not.
	Limit   time.Time
	NoLimit bool
	// Memory is what this process and its servers may use of the node's; the zero value is no limit.
	Memory slurm.Memory
	// Enforced is the limit past which the kernel kills a process; the zero value is none.
	Enforced slurm.Memory
}

// name returns the name of this task among all that SLURM runs; empty outside of SLURM.
func (p Place) name() string {
	switch {
	case !p.Job.Inside():
		return ""
	case p.Job.Step.Tasks > 1:
		return fmt.Sprintf("%s rank %d", p.Job.Ref(), p.Job.Step.Rank)
	}
	return p.Job.Ref()
}

// complete adds what the controller knows to what the environment says.
func (p Place) complete(ctx context.Context, log zerolog.Logger) Place {
	job, err := p.Job.Ask(ctx)
	if err != nil {
		log.Warn().Err(err).Msg("SLURM's controller does not answer; going on with what the environment says")
	}
	p.Job = job
	return p
}

// deadline returns when the job ends.
func (p Place) deadline() Deadline {
	switch {
	case p.NoLimit:
	case !p.Limit.IsZero():
		return Deadline{At: p.Limit, Source: "--deadline"}
	case !p.Job.End.IsZero():
		return Deadline{At: p.Job.End, Source: string(p.Job.EndFrom)}
	}
	return Deadline{}
}

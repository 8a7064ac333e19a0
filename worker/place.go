package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/slurm"
)

// Place describes the SLURM job of a run, and the run's part of the input.
type Place struct {
	Job   slurm.Job    // zero outside of SLURM
	Shard slurm.Choice // from the user
	// ShardBlock is the longest block of rows of a shard, at least 1; see prompt.Shards. An output keeps its first value.
	ShardBlock int
	// Limit is the job's end by the user's setting; zero asks SLURM. NoLimit means that the job does not end.
	Limit   time.Time
	NoLimit bool
	// Memory is the host memory for this process and its servers; the zero value is no limit.
	Memory slurm.Memory
	// Enforced is the limit above which the kernel kills a process; the zero value is no limit.
	Enforced slurm.Memory
}

// name returns the unique name of this task in SLURM; "" outside of SLURM.
func (p Place) name() string {
	switch {
	case !p.Job.Inside():
		return ""
	case p.Job.Step.Tasks > 1:
		return fmt.Sprintf("%s rank %d", p.Job.Ref(), p.Job.Step.Rank)
	}
	return p.Job.Ref()
}

// complete adds the answer of SLURM's controller to the variables of the environment. Without an answer it only logs.
func (p Place) complete(ctx context.Context, log zerolog.Logger) Place {
	job, err := p.Job.Ask(ctx)
	if err != nil {
		log.Warn().Err(err).Msg("SLURM's controller does not answer; going on with the variables of the environment")
	}
	p.Job = job
	return p
}

// deadline returns the end of the job.
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

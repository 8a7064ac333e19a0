package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"fluxworker/worker/result"
	"fluxworker/worker/slurm"
)

// Place is where a run stands: the SLURM job around it, and which part of the input is its own.
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

// name tells this task from all others that SLURM runs; empty outside of it.
func (p Place) name() string {
	switch {
	case !p.Job.Inside():
		return ""
	case p.Job.Step.Tasks > 1:
		return fmt.Sprintf("%s rank %d", p.Job.Ref(), p.Job.Step.Rank)
	}
	return p.Job.Ref()
}

// settlePlace completes what the environment says by what the controller knows, and finds out the shard and the deadline.
func (c *Config) settlePlace(ctx context.Context, log zerolog.Logger) (shard result.Shard, d Deadline, _ error) {
	job, err := c.Place.Job.Ask(ctx)
	if err != nil {
		log.Warn().Err(err).Msg("SLURM's controller does not answer; going on with what the environment says")
	}
	c.Place.Job = job
	if shard, err = c.shard(); err != nil {
		return shard, d, err
	}
	switch {
	case c.Place.NoLimit:
	case !c.Place.Limit.IsZero():
		d = Deadline{At: c.Place.Limit, Source: "--deadline"}
	case !job.End.IsZero():
		d = Deadline{At: job.End, Source: string(job.EndFrom)}
	}
	if shard.Count > 0 {
		log.Info().Stringer("shard", shard).Stringer("place", job).Msg("this task's part of the input")
	}
	if !d.At.IsZero() {
		log.Info().Time("deadline", d.At).Str("from", d.Source).Msg("the job's end is known")
	}
	return shard, d, nil
}

// pinned is the split of an output, as the first of its tasks wrote it down: a later submission of some of the tasks gets
// the same parts, whatever its own variables say.
type pinned struct {
	N int `json:"n"` // how many parts
	slurm.Split
}

const splitFile = "split.json"

// shard is this run's part of the input, and pins how it is split.
func (c *Config) shard() (result.Shard, error) {
	whole, err := result.PathsOf(c.Output, result.Shard{})
	if err != nil {
		return result.Shard{}, &ConfigError{Err: err}
	}
	whole.Mode = c.Results.Mode
	if !c.Place.Shard.Auto {
		chosen := c.Place.Shard.Shard
		if chosen.Count <= 1 {
			return result.Shard{}, nil
		}
		p, err := pin(whole, pinned{N: chosen.Count})
		if err == nil && p.N != chosen.Count {
			ext := filepath.Ext(whole.Results)
			err = &ConfigError{Err: fmt.Errorf("--shard %s: output %s was split into %d parts; take that count, or another --output with --resume-from '%s.*%s'",
				chosen, c.Output, p.N, strings.TrimSuffix(whole.Results, ext), ext)}
		}
		return result.Shard{Index: chosen.Index, Count: chosen.Count}, err
	}
	split, err := c.Place.Job.Split()
	if err != nil {
		return result.Shard{}, &ConfigError{Err: fmt.Errorf("--shard auto: %w", err)}
	}
	p, err := pin(whole, pinned{N: split.Count(), Split: split})
	if err != nil {
		return result.Shard{}, err
	}
	if p.Ranks == 0 {
		return result.Shard{}, &ConfigError{Err: fmt.Errorf("--shard auto: output %s was split by hand into %d parts; say --shard i/%d, or choose another --output", c.Output, p.N, p.N)}
	}
	mine, err := p.Shard(c.Place.Job)
	if err != nil {
		return result.Shard{}, &ConfigError{Err: fmt.Errorf("--shard auto: %w", err)}
	}
	if mine.Whole() {
		return result.Shard{}, nil
	}
	return result.Shard{Index: mine.Index, Count: mine.Count}, nil
}

// pin writes the split down, unless that has been done, and returns the one that counts.
func pin(whole result.Paths, p pinned) (pinned, error) {
	if err := claim(whole); err != nil {
		return p, err
	}
	data, err := whole.Pin(splitFile, p)
	if err != nil {
		return p, err
	}
	var there pinned
	if err := json.Unmarshal(data, &there); err != nil || there.N < 1 {
		return p, &ConfigError{Err: fmt.Errorf("read %s: it is not the split of an output; remove it if no shard has been answered yet", whole.In(splitFile))}
	}
	return there, nil
}

// claim makes the folder of a whole output this one's, unless it is another's.
func claim(whole result.Paths) error {
	err := whole.Claim()
	if _, owned := errors.AsType[*result.OwnedError](err); owned {
		return &ConfigError{Err: err}
	}
	return err
}

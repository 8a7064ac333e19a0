package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"fluxworker/worker"
	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
	"fluxworker/worker/slurm"
)

// maxShardBlock keeps the arithmetic of blocks within 64 bits.
const maxShardBlock = 1_000_000

// jobFlags are the flags about the SLURM job around the run.
type jobFlags struct {
	shard      string
	shardBlock int
	resumeFrom []string
	deadline   string
	requeue    bool
}

func (f *jobFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.shard, "shard", "", "`auto|none|i/n`: in an array or a step of several tasks, auto gives each task its part of the input, none says that this task has its own input; i/n takes part i of n, from 0")
	flags.IntVar(&f.shardBlock, "shard-block", 64, "`ROWS` next to each other that stay in one shard at most, since neighbours often share a text; 1 deals single rows; an output keeps the value of its first run")
	flags.StringArrayVar(&f.resumeFrom, "resume-from", nil, "result files of another split of the same input (`PATTERN` in quotes); rows with an answer there are not asked again; may be given several times")
	flags.StringVar(&f.deadline, "deadline", "auto", "`auto|none|TIME`: end of the job; auto asks SLURM, TIME is a duration from now such as 2h, or a time such as 2006-01-02T15:04:05Z")
	flags.BoolVar(&f.requeue, "requeue", false, "ask SLURM to requeue the job if its time ends before the last row")
}

// place describes the SLURM job around this process.
func (f *jobFlags) place(now time.Time) (worker.Place, error) {
	var p worker.Place
	var err error
	if p.Job, err = slurm.FromEnviron(os.Environ()); err != nil {
		return p, &usageError{err}
	}
	p.Memory, p.Enforced = p.Job.Memory(slurm.ProcessGroups()), p.Job.EnforcedMemory(slurm.ProcessGroups())
	if p.Shard, err = p.Job.Choose(f.shard); err != nil {
		return p, &usageError{err}
	}
	if p.ShardBlock = f.shardBlock; p.ShardBlock < 1 || p.ShardBlock > maxShardBlock {
		return p, usagef("--shard-block is %d; it must be from 1 to %d", p.ShardBlock, maxShardBlock)
	}
	switch f.deadline {
	case "auto":
		return p, nil
	case "none":
		p.NoLimit = true
		return p, nil
	}
	var left secondsValue
	if err := left.Set(f.deadline); err == nil && left > 0 {
		p.Limit = now.Add(time.Duration(left))
		return p, nil
	}
	if p.Limit, err = time.Parse(time.RFC3339, f.deadline); err != nil || !p.Limit.After(now) {
		return p, usagef("--deadline is %q; it must be auto, none, a duration such as 2h, or a time in the future such as %s", f.deadline, now.Add(2*time.Hour).Format(time.RFC3339))
	}
	return p, nil
}

// requeueWhereWorth asks SLURM to requeue the job if its time has ended, rows are left, and this start has answered a row: a job
// that answers no row would be requeued forever. If SLURM refuses, the run ends as it would have without the flag.
func (f *jobFlags) requeueWhereWorth(ctx context.Context, log zerolog.Logger, job slurm.Job, s record.Summary, warned bool, err error) {
	var stopped *outcome.StoppedError
	switch {
	case !errors.As(err, &stopped) || !stopped.Deadline && !warned:
		return
	case s.OK+s.Failed == 0:
		log.Warn().Msg("the job is not requeued: this start answered no row")
		return
	}
	if err := job.Requeue(ctx); err != nil {
		log.Error().Err(err).Msg("the job is not requeued; submit it again to continue")
		return
	}
	log.Info().Stringer("job", job).Msg("SLURM will start the job again")
}

// resumeFiles returns the result files that match the patterns of --resume-from. A pattern without a match is an error.
func resumeFiles(patterns []string) ([]string, error) {
	var files []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, usagef("--resume-from %q: %w", pattern, err)
		}
		if len(found) == 0 {
			return nil, usagef("--resume-from %q: no file has this name; write the pattern in quotes, relative to the working folder", pattern)
		}
		for _, file := range found {
			holds, err := result.HeldBy(context.Background(), file)
			switch {
			case err != nil:
				return nil, usagef("--resume-from: %w", err)
			case holds == result.Other:
				return nil, usagef("--resume-from: %s holds no line of results; name the results files of a run", file)
			case holds == result.Answers: // a pattern may match files of failures, too
				files = append(files, file)
			}
		}
	}
	return files, nil
}

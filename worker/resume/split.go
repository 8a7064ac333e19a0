package resume

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"fluxworker/worker/outcome"
	"fluxworker/worker/result"
	"fluxworker/worker/slurm"
)

// pinned is the split of an output, written by the first of its tasks: a later submission of some of the tasks gets the same
// parts, whatever its own variables say.
type pinned struct {
	N     int `json:"n"`               // number of shards
	Block int `json:"block,omitempty"` // see prompt.Shards; an output of an older version has none
	slurm.Split
}

const splitFile = "split.json"

// Shard returns this run's part of the rows, and pins the split of the output: the first submission fixes the number of
// shards and the block. The zero Shard means all rows. Errors: ConfigError, result.WriteError.
func Shard(output string, mode fs.FileMode, chosen slurm.Choice, block int, job slurm.Job) (result.Shard, error) {
	whole, err := result.PathsOf(output, result.Shard{})
	if err != nil {
		return result.Shard{}, &outcome.ConfigError{Err: err}
	}
	whole.Mode = mode
	if !chosen.Auto {
		if chosen.Count <= 1 {
			return result.Shard{}, nil
		}
		p, err := pin(whole, pinned{N: chosen.Count, Block: block})
		if err == nil && p.N != chosen.Count {
			ext := filepath.Ext(whole.Results)
			err = &outcome.ConfigError{Err: fmt.Errorf("--shard %s: output %s was split into %d parts; take that count, or another --output with --resume-from '%s.*%s'",
				chosen, output, p.N, strings.TrimSuffix(whole.Results, ext), ext)}
		}
		return result.Shard{Index: chosen.Index, Count: chosen.Count, Block: p.Block}, err
	}
	split, err := job.Split()
	if err != nil {
		return result.Shard{}, &outcome.ConfigError{Err: fmt.Errorf("--shard auto: %w", err)}
	}
	p, err := pin(whole, pinned{N: split.Count(), Block: block, Split: split})
	if err != nil {
		return result.Shard{}, err
	}
	if p.Ranks == 0 {
		return result.Shard{}, &outcome.ConfigError{Err: fmt.Errorf("--shard auto: output %s was split by hand into %d parts; say --shard i/%d, or choose another --output", output, p.N, p.N)}
	}
	mine, err := p.Shard(job)
	if err != nil {
		return result.Shard{}, &outcome.ConfigError{Err: fmt.Errorf("--shard auto: %w", err)}
	}
	if mine.Count == 1 {
		return result.Shard{}, nil
	}
	return result.Shard{Index: mine.Index, Count: mine.Count, Block: p.Block}, nil
}

// pin writes the split, unless another task has written one, and returns the split of the output.
func pin(whole result.Paths, p pinned) (pinned, error) {
	if err := Claim(whole); err != nil {
		return p, err
	}
	var there pinned
	err := whole.Pin(splitFile, p, &there)
	if err == nil && there.N < 1 {
		err = &result.RecordError{Path: whole.In(splitFile), Damaged: true, Err: errors.New("it has no number of shards")}
	}
	if damaged, ok := errors.AsType[*result.RecordError](err); ok && damaged.Damaged {
		err = fmt.Errorf("%w; the file fixes the number of shards: remove it if no shard has been answered yet, or write {\"n\": N} with the number in the names of the shards", err)
	}
	return there, err
}

// Claim writes the name of a whole output into its run folder. Error: ConfigError where the folder belongs to another output.
func Claim(whole result.Paths) error {
	err := whole.Claim()
	if _, owned := errors.AsType[*result.OwnedError](err); owned {
		return &outcome.ConfigError{Err: err}
	}
	return err
}

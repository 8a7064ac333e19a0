package worker

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"

	"fluxworker/worker/input"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// Trial asks some rows of the input first. They are rows of the full run, which later goes on from them.
type Trial struct {
	Limit  int64  // the first rows of the shard; 0 is no limit
	Sample int64  // rows by chance, of all shards together; 0 is no sample
	Seed   uint64 // of the sample: the same seed takes the same rows
}

func (t Trial) given() bool { return t.Limit > 0 || t.Sample > 0 }

// choose returns the options of a reader of the rows of the trial. A sample reads the names of all rows first. Errors: those of
// Input.OpenNames; ConfigError for an input that cannot be read twice.
func (t Trial) choose(ctx context.Context, in input.Input, o prompt.Options) (prompt.Options, error) {
	o.Limit = t.Limit
	if t.Sample == 0 {
		return o, nil
	}
	if in.Once() {
		return o, &outcome.ConfigError{Err: errors.New("--sample reads the input twice, and this input can be read only once; use --limit, or write the rows to a file")}
	}
	rows, err := countRows(ctx, in)
	if err != nil {
		return o, err
	}
	chosen := chooseRows(rand.New(rand.NewPCG(t.Seed, 0)), rows, min(t.Sample, rows))
	o.Select = func(index int64) bool { return chosen[index] }
	return o, nil
}

func countRows(ctx context.Context, in input.Input) (n int64, err error) {
	source, rows, err := in.OpenNames(result.Shard{})
	if err != nil {
		return 0, err
	}
	defer source.Close()
	for ctx.Err() == nil {
		if _, err := rows.Next(); errors.Is(err, io.EOF) {
			return rows.Seen(), nil
		} else if err != nil {
			return 0, &outcome.InputError{Err: err}
		}
	}
	return 0, outcome.Stopped(ctx)
}

// chooseRows returns n of so many rows by chance, each with the same probability (Floyd's algorithm).
func chooseRows(random *rand.Rand, rows, n int64) map[int64]bool {
	chosen := make(map[int64]bool, n)
	for last := rows - n; last < rows; last++ {
		index := random.Int64N(last + 1)
		if chosen[index] {
			index = last
		}
		chosen[index] = true
	}
	return chosen
}

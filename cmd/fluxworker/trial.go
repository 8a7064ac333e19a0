package main

import (
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"fluxworker/worker"
)

// trialFlags are the flags of a trial: a run that asks a part of the rows.
type trialFlags struct {
	limit  int64
	sample string
}

func (f *trialFlags) register(flags *pflag.FlagSet) {
	flags.Int64Var(&f.limit, "limit", 0, "ask only the first `N` rows; the same command without the flag goes on with the others")
	flags.StringVar(&f.sample, "sample", "", "ask only `N[:SEED]` rows by chance, the same ones for the same seed (default: 1); the same command without the flag goes on with the others")
}

// config checks the flags and returns the part of the rows that the flags ask for.
func (f *trialFlags) config() (t worker.Trial, err error) {
	if f.limit != 0 && f.sample != "" {
		return t, usagef("--limit and --sample exclude each other; remove one of them")
	}
	if f.limit < 0 {
		return t, usagef("--limit is %d; it must be at least 1", f.limit)
	}
	t.Limit = f.limit
	if f.sample == "" {
		return t, nil
	}
	rows, seed, seeded := strings.Cut(f.sample, ":")
	if t.Sample, err = strconv.ParseInt(rows, 10, 64); err != nil || t.Sample < 1 {
		return t, usagef("--sample is %q; it must be a number of rows from 1, such as 20, or with a seed, 20:7", f.sample)
	}
	t.Seed = 1
	if seeded {
		if t.Seed, err = strconv.ParseUint(seed, 10, 64); err != nil {
			return t, usagef("--sample is %q; its seed must be a whole number from 0, such as 20:7", f.sample)
		}
	}
	return t, nil
}

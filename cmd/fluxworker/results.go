package main

import (
	"io/fs"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"fluxworker/worker"
	"fluxworker/worker/lease"
	"fluxworker/worker/resume"
)

// resultFlags say where the results go, how safely, and what becomes of those that are there.
type resultFlags struct {
	output      string
	onChange    string
	overwrite   bool
	retryFailed bool
	syncEvery   time.Duration
	syncBytes   int64
	fileMode    string
	lockStale   time.Duration
}

func (f *resultFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.output, "output", "", "`FILE` for the results, in the lines of OpenAI's Batch API, in the order of their completion; .json and .csv are written at the end, from the lines beside them")
	flags.StringVar(&f.onChange, "on-change", string(resume.ChangeStops), "`stop|rerun|keep`: what to do where input, model or settings are not those of the lines in the output: say so and stop, ask again what changed, or keep the lines")
	flags.BoolVar(&f.overwrite, "overwrite", false, "drop what is in the output and start anew; a job that SLURM requeues goes on all the same")
	flags.BoolVar(&f.retryFailed, "retry-failed", false, "ask the rows again that are in the errors file")
	flags.DurationVar(&f.syncEvery, "sync-interval", time.Second, "results are safe on disk (fsync) after this time at the latest")
	flags.Int64Var(&f.syncBytes, "sync-bytes", 8<<20, "and as soon as this many `BYTES` are not; 0 is no limit")
	// Hidden: tests need not wait as long as people must. Runs of one output that have different values take each other's locks.
	flags.DurationVar(&f.lockStale, lockStaleFlag, lease.DefaultStale, "how long another run's lock must show no sign of life before it is taken over")
	flags.MarkHidden(lockStaleFlag)
	flags.StringVar(&f.fileMode, "file-mode", "0600", "permissions of new files, less the umask; `0640` lets your group read them")
}

// lockStaleFlag is only for tests.
const lockStaleFlag = "lock-stale"

// config checks the flags and brings them to the worker's terms.
func (f *resultFlags) config() (worker.Results, error) {
	err := oneOf("on-change", f.onChange, string(resume.ChangeStops), string(resume.ChangeReruns), string(resume.ChangeKeeps))
	if err != nil {
		return worker.Results{}, err
	}
	mode, err := strconv.ParseUint(f.fileMode, 8, 32)
	if err != nil || mode&^0o666 != 0 || mode&0o600 != 0o600 {
		return worker.Results{}, usagef("--file-mode is %q; it must be an octal number from 0600 to 0666, such as 0640", f.fileMode)
	}
	switch {
	case f.syncEvery <= 0:
		return worker.Results{}, usagef("--sync-interval is %s; it must be more than 0", f.syncEvery)
	case f.syncBytes < 0:
		return worker.Results{}, usagef("--sync-bytes is %d; it must be 0 (no limit) or more", f.syncBytes)
	}
	if f.lockStale <= 0 {
		return worker.Results{}, usagef("--%s is %s; it must be more than 0", lockStaleFlag, f.lockStale)
	}
	return worker.Results{
		SyncEvery: f.syncEvery, SyncBytes: f.syncBytes, Mode: fs.FileMode(mode), OnChange: resume.OnChange(f.onChange),
		Overwrite: f.overwrite, RetryFailed: f.retryFailed, LockStale: f.lockStale,
	}, nil
}

package main

import (
	"io/fs"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"fluxworker/worker"
	"fluxworker/worker/lease"
	"fluxworker/worker/merge"
	"fluxworker/worker/result"
	"fluxworker/worker/resume"
)

// resultFlags are the flags of the results: the file, its safety, and the treatment of earlier lines.
type resultFlags struct {
	output      string
	columns     string
	onChange    string
	overwrite   bool
	retryFailed bool
	syncEvery   time.Duration
	syncBytes   sizeValue
	fileMode    string
	lockStale   time.Duration
}

func (f *resultFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.output, "output", "", "`FILE` for the results: lines of OpenAI's Batch API in the order of completion; .json and the tables .csv, .tsv, .parquet and .flat.jsonl are written at the end, from the lines beside them")
	registerColumns(flags, &f.columns)
	flags.StringVar(&f.onChange, "on-change", string(resume.ChangeStops), "`stop|rerun|keep`: if input, model or settings differ from those of the lines in the output, say so and stop, ask the changed rows again, or keep the lines")
	flags.BoolVar(&f.overwrite, "overwrite", false, "drop the lines of the output and start anew; if the run is stopped before its end, the same command continues it")
	flags.BoolVar(&f.retryFailed, "retry-failed", false, "ask the rows in the errors file again")
	secondsVar(flags, &f.syncEvery, "sync-interval", time.Second, "results are safe on disk (fsync) after `TIME` at the latest")
	f.syncBytes = 8 << 20
	flags.Var(&f.syncBytes, "sync-bytes", "results are also synced after `SIZE`; 0 is no limit")
	// Hidden, since only tests need it: runs of one output with different values would take each other's locks.
	secondsVar(flags, &f.lockStale, lockStaleFlag, lease.DefaultStale, "a lock without a heartbeat for this long is taken over")
	flags.MarkHidden(lockStaleFlag)
	flags.StringVar(&f.fileMode, "file-mode", "0600", "octal `MODE` of new files, less the umask; 0640 lets your group read them")
}

// registerColumns adds the flag of the columns of a table, for run and merge.
func registerColumns(flags *pflag.FlagSet, columns *string) {
	flags.StringVar(columns, "columns", merge.ColumnsAuto, "`auto|all|none|NAMES`: columns of the input beside the answers in a table (.csv, .tsv, .parquet, .flat.jsonl), names with commas between; auto is all of a table or of Parquet, none of other inputs; each top-level field of --json-schema has a column, too")
}

// lockStaleFlag is only for tests.
const lockStaleFlag = "lock-stale"

// config checks the flags and returns the configuration of the worker.
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
		return worker.Results{}, usagef("--sync-bytes is %s; it must be 0 (no limit) or more", &f.syncBytes)
	}
	if f.columns != merge.ColumnsAuto && f.output != "" && !result.FormatOf(f.output).IsTable() {
		return worker.Results{}, usagef("--columns is for tables, but --output %s is not a table: name a .csv, .tsv, .parquet or .flat.jsonl file", f.output)
	}
	if f.lockStale <= 0 {
		return worker.Results{}, usagef("--%s is %s; it must be more than 0", lockStaleFlag, f.lockStale)
	}
	return worker.Results{
		Columns: f.columns, SyncEvery: f.syncEvery, SyncBytes: int64(f.syncBytes), Mode: fs.FileMode(mode), OnChange: resume.OnChange(f.onChange),
		Overwrite: f.overwrite, RetryFailed: f.retryFailed, LockStale: f.lockStale,
	}, nil
}

package worker

import (
	"io/fs"
	"time"

	"fluxworker/batcher"
	"fluxworker/modelcfg"
	"fluxworker/worker/fleet"
	"fluxworker/worker/prompt"
	"fluxworker/worker/resume"
)

// Config says what a run does.
type Config struct {
	Input       string          // path of the rows, or "-" for standard input
	Layout      prompt.Layout   // where a table or a folder has its prompts
	MaxRowBytes int             // rows longer than this become error lines
	KeepFirst   bool            // of rows with the same custom_id only the first is one
	Place       Place           // in SLURM, and so the part of the input that is this run's
	Output      string          // path of the results; the other places come from it
	Defaults    prompt.Defaults // the model's name and the options that a row may override

	Model modelcfg.Model // what its YAML says; what the server says of it counts for more
	Wish  batcher.Wish   // slots and context as the user wants them
	// FitContext chooses the context by what the rows take, whatever Wish says of it; not below Wish.MinContext. A server
	// that is not ours keeps the context of Wish.
	FitContext bool
	SampleTime time.Duration // for the look at the input by which the context is chosen; 0 is sampleTime

	Server fleet.Settings

	RequestTimeout time.Duration // for one row's answer
	MaxRetries     int           // how often a row is asked again after a failure of the server
	RetryDelay     time.Duration // before a row is asked again for the first time, and twice as long each time after; 0 is at once
	MaxRestarts    int           // how often a server is started again within restartWindow before it is given up
	StallTimeout   time.Duration // without an answer and without working a server counts as hanging after this
	MaxServerBytes int64         // host memory that a server may hold before it is started anew; 0 is no limit
	MaxFleetBytes  int64         // and that all of them may hold together; 0 is no limit
	Grace          time.Duration // how long rows in flight may go on after the first signal

	Results Results

	Version string // of this program, for the manifest
}

// Results says how the output is kept, and what becomes of lines that are in it already.
type Results struct {
	SyncEvery   time.Duration // lines are on disk after this time at the latest
	SyncBytes   int64         // and as soon as this many bytes are not
	Mode        fs.FileMode   // of new files, less the umask; 0 is 0600
	OnChange    resume.OnChange
	ResumeFrom  []string // result files of other splits of the input: rows that are answered there are not asked again
	Overwrite   bool     // drop what is there
	RetryFailed bool     // drop the failures that are there
	// LockStale is how long the lock of another run must show no sign of life before it is taken over; 0 is
	// lease.DefaultStale. All runs of an output must have the same: it says how often the holder renews its lock.
	LockStale time.Duration
}

package worker

import (
	"io/fs"
	"time"

	"fluxworker/batcher"
	"fluxworker/modelcfg"
	"fluxworker/worker/dispatch"
	"fluxworker/worker/fleet"
	"fluxworker/worker/prompt"
	"fluxworker/worker/resume"
	"fluxworker/worker/stage"
)

// Config holds the settings of a run.
type Config struct {
	Input       string          // path of the rows, or "-" for standard input
	Layout      prompt.Layout   // the place of the prompts in a table or a folder
	MaxRowBytes int             // a longer row gets an error line
	KeepFirst   bool            // of rows with the same custom_id only the first counts
	Trial       Trial           // asks a part of the rows; the zero Trial asks all
	Place       Place           // the SLURM job, and this run's part of the input
	Output      string          // path of the results; all other paths follow from it
	Defaults    prompt.Defaults // the model's name, and options that a row may override

	Model   modelcfg.Model  // from its YAML; the server's metadata override it
	Request batcher.Request // slots and context from the user
	// FitContext chooses the context by the needs of the rows instead of Request.Context, but not below Request.MinContext. A server
	// that runs already keeps the context of Request.
	FitContext bool
	SampleTime time.Duration // limit of the sample of the input by which the context is chosen; 0 is the default

	Server fleet.Settings
	Stage  stage.When     // whether the model's files are read before servers load them; "" is stage.Never
	Order  dispatch.Order // in which rows are asked

	RequestTimeout time.Duration // for one answer
	MaxRetries     int           // of a row, after failures of a server and invalid answers
	RetryDelay     time.Duration // pause before the first retry, doubled for each further retry; 0 is no pause
	MaxRestarts    int           // of a server within ten minutes
	StallTimeout   time.Duration // a server with rows in flight, without an answer and without work for this long hangs
	MaxServerBytes int64         // of host memory; a server that holds more is restarted; 0 is no limit
	MaxFleetBytes  int64         // of host memory, for all servers together; above it the largest server is restarted; 0 is no limit
	AnswerMemory   int64         // for the answers in flight of all servers, in bytes of host memory; at least ollama.MinBudget
	Grace          time.Duration // for rows in flight, after the first signal

	Results Results

	// MetricsFile is the path of a file with the metrics of the run, for Prometheus; "" writes none.
	MetricsFile string
	// CarbonIntensity is the CO2 of the electricity, in grams for each kilowatt-hour; 0 where unknown.
	CarbonIntensity float64

	Version string // of this program, for the manifest
}

// Results holds the settings of the output, and the user's choices about the lines that are in it already.
type Results struct {
	Columns     string        // of the input, in a table: see merge.Config
	SyncEvery   time.Duration // the longest time until a line is synced to the disk
	SyncBytes   int64         // unsynced bytes from which lines are synced at once
	Mode        fs.FileMode   // of new files, less the umask; 0 is 0600
	OnChange    resume.OnChange
	ResumeFrom  []string // result files of other splits of the input: rows with an answer there are not asked again
	Overwrite   bool     // drop all lines in the output
	RetryFailed bool     // drop the error lines in the output
	// LockStale is the time without a sign of life after which this run takes over the lock of another run; 0 is
	// lease.DefaultStale. All runs of an output must have the same value: the holder renews its lock in relation to it.
	LockStale time.Duration
}

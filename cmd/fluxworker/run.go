package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fluxworker/batcher"
	"fluxworker/worker"
	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
	"fluxworker/worker/plan"
	"fluxworker/worker/record"
)

const (
	// defaultRetryDelay is short, since most failures of a server are over at once; it doubles for those that are not.
	defaultRetryDelay = 250 * time.Millisecond
	mostRetryDelay    = time.Hour
	// automatic is what the flags say that leave a number to us.
	automatic = "auto"
)

type runFlags struct {
	request requestFlags
	results resultFlags
	job     jobFlags

	batchSize      string
	context        string
	minContext     int
	kvCacheType    string
	ollama         string
	ollamaURL      string
	ollamaModels   string
	device         string
	isolate        string
	pull           string
	allowCPULayers bool
	requestTimeout time.Duration
	loadTimeout    time.Duration
	maxRetries     int
	retryDelay     secondsValue
	maxRestarts    int
	stallTimeout   time.Duration
	serverMemory   string
	grace          time.Duration
	failOn         string
	logLevel       string
	logFormat      string
	progress       string
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run --model NAME --input FILE --output FILE",
		Short: "Answer the rows of a file",
		Long: `run answers the rows of a file: it starts an Ollama server of its own, keeps its slots full, and writes each answer to
the output as it comes. Rows that failed go to a file of their own (results-errors.jsonl), everything about the run
to a folder (results.run). Started again with the same command, it answers only the rows that have no line yet.

` + exitTable(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.Flags()) },
	}
	cmd.Flags().SortFlags = false
	f.register(cmd.Flags())
	return cmd
}

func (f *runFlags) register(flags *pflag.FlagSet) {
	f.request.register(flags)
	f.results.register(flags)
	f.job.register(flags)
	flags.StringVar(&f.batchSize, "batch-size", "auto", "rows that each server answers at the same time (slots): `N`, or auto for as many as the GPU's free memory holds")
	flags.StringVar(&f.context, "context", automatic, "context length of each slot in tokens, prompt and answer together: `N`, or auto for what suits most rows; those that need more are then answered last, with a longer one")
	flags.IntVar(&f.minContext, "min-context", 0, "auto takes no context below this; with --context N: where not even one slot fits, take a smaller one, but not below this; 0 never does")
	flags.StringVar(&f.kvCacheType, "kv-cache-type", "f16", "`f16|q8_0|q4_0`: precision of the KV cache; smaller holds more slots")
	f.registerOllama(flags)
	flags.StringVar(&f.ollamaURL, "ollama-url", "", "use the server at this `URL` and start none; --batch-size says how many slots it has")
	flags.StringVar(&f.device, "device", "auto", "`auto|cpu`: auto demands a GPU, cpu does without")
	flags.StringVar(&f.isolate, "isolate", "auto", "`auto|always|never`: keep the server in namespaces of its own, where no other user reaches it; auto does so where the kernel lets us")
	flags.StringVar(&f.pull, "pull", "never", "`never|missing`: whether to fetch a model that the server does not have")
	flags.BoolVar(&f.allowCPULayers, "allow-cpu-layers", false, "accept a YAML whose gpu_layers leaves layers of the model to the CPU")
	flags.DurationVar(&f.requestTimeout, "request-timeout", 30*time.Minute, "longest wait for one answer")
	flags.IntVar(&f.maxRetries, "max-retries", 3, "how often a row is asked again after a failure of the server, or an answer that is not the JSON it asks for")
	f.retryDelay = secondsValue(defaultRetryDelay)
	flags.Var(&f.retryDelay, "retry-delay", "pause before a row is asked again, twice as long each time, up to 32 times; a bare number is seconds")
	flags.IntVar(&f.maxRestarts, "max-restarts", 5, "how often within 10 minutes a server that was lost is started again")
	flags.DurationVar(&f.stallTimeout, "stall-timeout", 5*time.Minute, "a server that has rows but neither answers nor works for this long is started again")
	flags.StringVar(&f.serverMemory, "max-server-memory", "auto", "host memory in `MiB` above which a server is started anew; auto is a little less than the limit that the kernel enforces on the job, for all together; 0 is no limit")
	flags.DurationVar(&f.grace, "grace", 30*time.Second, "after the first signal rows in flight may go on for this long; the second ends at once")
	flags.StringVar(&f.failOn, "fail-on", "rows", "`rows|none`: exit 3 when some rows failed, or 0 all the same")
	f.registerLog(flags)
	flags.StringVar(&f.progress, "progress", "auto", "`auto|bar|log|none`: log is a line every 30 s; auto is a bar on a terminal, else log")
}

// registerOllama names where Ollama and its models are, for run and pull.
func (f *runFlags) registerOllama(flags *pflag.FlagSet) {
	flags.StringVar(&f.ollama, "ollama", "ollama", "Ollama's program, or a `COMMAND` in quotes such as 'apptainer exec --nv ollama.sif ollama'")
	flags.StringVar(&f.ollamaModels, "ollama-models", "", "`FOLDER` with Ollama's models (default: OLLAMA_MODELS, else ~/.ollama/models)")
	flags.DurationVar(&f.loadTimeout, "load-timeout", 10*time.Minute, "longest wait for each step of a server's start: to listen, to answer, to load the model")
}

func (f *runFlags) registerLog(flags *pflag.FlagSet) {
	flags.StringVar(&f.logLevel, "log-level", "info", "`LEVEL`: debug, info, warn or error")
	flags.StringVar(&f.logFormat, "log-format", "text", "`text|json`")
}

func (f *runFlags) run(ctx context.Context, flags *pflag.FlagSet) error {
	console, err := newConsole(f.progress, f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	warnOfSecret(console.log, f.ollamaURL)
	if err := f.request.needInput(); err != nil {
		return err
	}
	if f.results.output == "" {
		return usagef("--output is missing: name the file for the results")
	}
	s, err := f.request.resolve(flags, console.log)
	if err != nil {
		return err
	}
	config, err := f.config(s)
	if err != nil {
		return err
	}
	config.Server.ScratchRoot = scratchRoot(console.log)
	// Go knows the CPUs that this process is bound to; of those that it was merely promised only SLURM's variables tell.
	if n := config.Place.Job.CPUs(); n < runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(n)
		console.log.Debug().Int("cpus", runtime.GOMAXPROCS(0)).Msg("this program takes no more than the job's CPUs")
	}
	running, signals := onSignals(ctx)
	defer signals.giveBack()
	defer boundGarbage()()
	counts := new(record.Counters)
	endProgress := console.show(counts)
	summary, err := worker.Run(running, config, console.log, signals.drain, counts)
	endProgress()
	if summary.Rows() > 0 {
		fmt.Fprintf(os.Stderr, "%s\nresults %s\n", summary, resultsIn(config, summary))
		if summary.Failed+summary.FailedBefore > 0 {
			fmt.Fprintf(os.Stderr, "errors  %s\n", summary.Errors)
		}
	}
	if f.job.requeue {
		f.job.requeueWhereWorth(ctx, console.log, config.Place.Job, summary, signals.warned(), err)
	}
	if err == nil && f.failOn == "rows" && summary.Failed+summary.FailedBefore > 0 {
		return errRowsFailed
	}
	return err
}

// config checks the flags and brings them to the worker's terms.
func (f *runFlags) config(s settings) (worker.Config, error) {
	if err := f.check(); err != nil {
		return worker.Config{}, err
	}
	wish, err := f.wish()
	if err != nil {
		return worker.Config{}, err
	}
	// What is wrong whatever the GPUs have is said before anything is started.
	unmeasured := wish
	unmeasured.Unchecked, unmeasured.CPU = true, f.device == string(ollama.DeviceCPU)
	if _, err := batcher.Decide(s.model, s.model.Architecture, nil, unmeasured); err != nil {
		return worker.Config{}, &usageError{err}
	}
	command, err := f.command()
	if err != nil {
		return worker.Config{}, err
	}
	if err := f.checkFile(s.file); err != nil {
		return worker.Config{}, err
	}
	models, err := f.models(s.file)
	if err != nil {
		return worker.Config{}, err
	}
	results, err := f.results.config()
	if err != nil {
		return worker.Config{}, err
	}
	if results.ResumeFrom, err = resumeFiles(f.job.resumeFrom); err != nil {
		return worker.Config{}, err
	}
	place, err := f.job.place(time.Now())
	if err != nil {
		return worker.Config{}, err
	}
	each, all, err := f.memoryLimits(place)
	if err != nil {
		return worker.Config{}, err
	}
	return worker.Config{
		Input: f.request.input, Layout: s.layout, MaxRowBytes: int(f.request.maxRowBytes), KeepFirst: f.request.dedupe == dedupeFirst,
		Output: f.results.output, Results: results, Place: place, Defaults: s.defaults,
		Server: fleet.Settings{
			Command: command, URL: f.ollamaURL, Models: models, File: s.file, Device: ollama.Device(f.device),
			Isolate:     ollama.Isolation(f.isolate),
			PullMissing: f.pull == "missing", LoadTimeout: f.loadTimeout,
		},
		Model: s.model, Wish: wish, FitContext: f.context == automatic, RequestTimeout: f.requestTimeout, MaxRetries: f.maxRetries,
		RetryDelay:  time.Duration(f.retryDelay),
		MaxRestarts: f.maxRestarts, StallTimeout: f.stallTimeout, MaxServerBytes: each, MaxFleetBytes: all,
		Grace: f.grace, Version: version(),
	}, nil
}

func (f *runFlags) check() error {
	for _, choice := range []struct {
		flag, value string
		allowed     []string
	}{
		{"device", f.device, []string{string(ollama.DeviceAuto), string(ollama.DeviceCPU)}},
		{"isolate", f.isolate, []string{string(ollama.IsolateAuto), string(ollama.IsolateAlways), string(ollama.IsolateNever)}},
		{"pull", f.pull, []string{"never", "missing"}},
		{"fail-on", f.failOn, []string{"rows", "none"}},
		{"kv-cache-type", f.kvCacheType, []string{"f16", "q8_0", "q4_0"}},
	} {
		if err := oneOf(choice.flag, choice.value, choice.allowed...); err != nil {
			return err
		}
	}
	switch {
	case f.minContext < 0:
		return usagef("--min-context is %d; it must be 0 or more", f.minContext)
	case f.requestTimeout <= 0:
		return usagef("--request-timeout is %s; it must be more than 0", f.requestTimeout)
	case f.maxRetries < 0:
		return usagef("--max-retries is %d; it must be 0 or more", f.maxRetries)
	case f.retryDelay < 0 || time.Duration(f.retryDelay) > mostRetryDelay:
		return usagef("--retry-delay is %s; it must be from 0 to %s", &f.retryDelay, mostRetryDelay)
	case f.maxRestarts < 0:
		return usagef("--max-restarts is %d; it must be 0 or more", f.maxRestarts)
	case f.stallTimeout <= 0:
		return usagef("--stall-timeout is %s; it must be more than 0", f.stallTimeout)
	case f.grace < 0:
		return usagef("--grace is %s; it must be 0 or more", f.grace)
	}
	return f.checkLoadTimeout()
}

func (f *runFlags) checkLoadTimeout() error {
	if f.loadTimeout <= 0 {
		return usagef("--load-timeout is %s; it must be more than 0", f.loadTimeout)
	}
	return nil
}

// wish is what the flags say of slots and context.
func (f *runFlags) wish() (batcher.Wish, error) {
	w := batcher.Wish{MinContext: f.minContext, KVCacheType: f.kvCacheType, AllowCPULayers: f.allowCPULayers}
	if f.context != automatic {
		n, err := strconv.Atoi(f.context)
		if err != nil || n < 1 {
			return w, usagef("--context is %q; it must be auto or a number of tokens, at least 1", f.context)
		}
		if f.minContext > n {
			return w, usagef("--min-context is %d; it must be from 0 (never less than --context) to --context, which is %d", f.minContext, n)
		}
		w.Context = n
	}
	if f.batchSize != automatic {
		n, err := strconv.Atoi(f.batchSize)
		if err != nil || n < 1 || n > batcher.MaxSlots {
			return w, usagef("--batch-size is %q; it must be auto or a number from 1 to %d", f.batchSize, batcher.MaxSlots)
		}
		w.Slots = n
	}
	return w, nil
}

// memoryLimits are what each server, and all of them together, may hold of the host's memory, in bytes; 0 is no limit.
func (f *runFlags) memoryLimits(place worker.Place) (each, all int64, err error) {
	if f.serverMemory == automatic {
		return 0, plan.MaxFleetBytes(place.Enforced), nil
	}
	mib, err := strconv.ParseInt(f.serverMemory, 10, 64)
	if err != nil || mib < 0 || mib > math.MaxInt64>>20 {
		return 0, 0, usagef("--max-server-memory is %q; it must be auto, 0 (no limit) or a number of MiB", f.serverMemory)
	}
	return mib << 20, 0, nil
}

// command is the server's program and its arguments. A path that exists is one word, blanks or not.
func (f *runFlags) command() ([]string, error) {
	if info, err := os.Stat(f.ollama); err == nil && info.Mode().IsRegular() {
		return []string{f.ollama}, nil
	}
	command, err := ollama.SplitCommand(f.ollama)
	if err != nil {
		return nil, usagef("--ollama: %w", err)
	}
	return command, nil
}

// models is the folder that the server would use if the user started it: with a scratch HOME it must be told. A model that is
// a file needs none.
func (f *runFlags) models(file *ollama.File) (string, error) {
	if file != nil {
		return "", nil
	}
	dir := f.ollamaModels
	if _, err := os.Stat(dir); dir != "" && err != nil && f.pull == "never" {
		return "", usagef("--ollama-models: %w; name the folder that holds Ollama's blobs and manifests", err)
	}
	if dir == "" {
		dir = os.Getenv("OLLAMA_MODELS")
	}
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", usagef("find the folder with Ollama's models: %w; name it with --ollama-models", err)
		}
		dir = filepath.Join(home, ".ollama", "models")
	}
	return filepath.Abs(dir)
}

func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return usagef("--%s is %q; it must be one of %v", flag, value, allowed)
}

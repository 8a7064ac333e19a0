package main

import (
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fluxworker/worker"
	"fluxworker/worker/dispatch"
	"fluxworker/worker/ollama"
	"fluxworker/worker/record"
	"fluxworker/worker/stage"
)

const (
	// defaultRetryDelay is short, since most failures of a server end at once. The delay doubles for the others.
	defaultRetryDelay = 250 * time.Millisecond
	// defaultLookAhead is enough for the questions about some dozens of long documents.
	defaultLookAhead = 32 << 20
	mostRetryDelay   = time.Hour
	// ballastBytes enlarges the heap by memory that nothing touches, so it is only an address. The heap of most runs has a few
	// megabytes, and without ballast the collector would run for every few megabytes of garbage.
	ballastBytes = 8 << 20
	// automatic is the value of flags that leave a number to fluxworker.
	automatic = "auto"
)

type runFlags struct {
	request requestFlags
	results resultFlags
	job     jobFlags
	trial   trialFlags
	measure measureFlags

	slots           string
	context         string
	minContext      int
	fallbackContext int
	kvCacheType     string
	ubatch          string
	ollama          string
	ollamaURL       string
	ollamaModels    string
	device          string
	isolate         string
	pull            string
	stage           string
	allowCPULayers  bool
	requestTimeout  time.Duration
	loadTimeout     time.Duration
	maxRetries      int
	retryDelay      time.Duration
	maxRestarts     int
	stallTimeout    time.Duration
	serverMemory    string
	answerMemory    string
	order           string
	lookAhead       sizeValue
	grace           time.Duration
	failOn          string
	logLevel        string
	logFormat       string
	progress        string
	report          bool
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run --model NAME --input FILE --output FILE",
		Short: "Answer the rows of a file",
		Long: `run answers the rows of a file. It starts its own Ollama server, keeps the slots full, and writes each answer to the output
at once. Failed rows go to another file (results-errors.jsonl), records of the run to a folder (results.run). The same command,
started again, answers only the rows that have no line yet.

` + exitTable(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	cmd.Flags().SortFlags = false
	cmd.SetUsageFunc(groupedUsage)
	f.register(cmd.Flags())
	f.trial.register(cmd.Flags())
	f.measure.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.report, "report", false, "at the end of the run, also of a run that stops or fails, write a page about the output beside it (see fluxworker report)")
	return cmd
}

func (f *runFlags) register(flags *pflag.FlagSet) {
	f.request.register(flags)
	f.results.register(flags)
	f.job.register(flags)
	f.registerOllama(flags)
	f.registerServers(flags)
	f.registerRetries(flags)
	f.registerLog(flags)
	secondsVar(flags, &f.grace, "grace", 30*time.Second, "after the first signal, rows in flight may continue for `TIME`; a second signal ends the run at once")
	flags.StringVar(&f.failOn, "fail-on", "rows", "`rows|none`: if some rows failed, exit with 3 (rows) or with 0 (none)")
	flags.StringVar(&f.progress, "progress", "auto", "`auto|bar|log|none`: log writes a line every 30 s; auto is a bar on a terminal, else log")
}

// registerOllama adds the flags of Ollama and its models, for run and pull.
func (f *runFlags) registerOllama(flags *pflag.FlagSet) {
	flags.StringVar(&f.ollama, "ollama", "ollama", "Ollama's program, or a `COMMAND` in quotes such as 'apptainer exec --nv ollama.sif ollama'")
	flags.StringVar(&f.ollamaModels, "ollama-models", "", "`FOLDER` with Ollama's models (default: OLLAMA_MODELS, else ~/.ollama/models); of several folders, A:B, the first that has the model counts, and a pull goes to the first that can be written")
	secondsVar(flags, &f.loadTimeout, "load-timeout", 10*time.Minute, "limit `TIME` of each step of a server's start: to listen, to answer, to load the model")
}

// registerPlace adds the flags that say which servers are used and where, for run and doctor.
func (f *runFlags) registerPlace(flags *pflag.FlagSet) {
	flags.StringVar(&f.ollamaURL, "ollama-url", "", "use the running server at `URL` and start none; --slots is its number of slots; put an address with a password into FLUXWORKER_OLLAMA_URL, since every user of the node can read a command line")
	flags.StringVar(&f.device, "device", "auto", "`auto|cpu`: auto requires a GPU, cpu runs without one")
	flags.StringVar(&f.isolate, "isolate", "auto", "`auto|always|never`: run the server in its own namespaces, where no other user reaches it; auto does so if the kernel allows it, always fails if not")
}

func (f *runFlags) registerServers(flags *pflag.FlagSet) {
	flags.StringVar(&f.slots, "slots", automatic, "rows that each server answers at the same time: `N`, or auto for as many as the free GPU memory holds, and for servers of OpenAI's API as many as they answer best")
	flags.StringVar(&f.context, "context", automatic, "tokens of each slot, prompt and answer together: `N`, or auto for a context that suits most rows; longer rows are then answered last, with a longer context")
	flags.IntVar(&f.minContext, "min-context", 0, "with --context auto: choose a context of `N` tokens or more")
	flags.IntVar(&f.fallbackContext, "fallback-context", 0, "with a number for --context: if not even one slot fits, take less context, down to `N` tokens; 0 is no fallback")
	flags.StringVar(&f.kvCacheType, "kv-cache-type", "f16", "`f16|q8_0|q4_0`: precision of the KV cache; a smaller type holds more slots, at some cost in quality")
	flags.StringVar(&f.ubatch, "ubatch", automatic, "prompt tokens that a server processes at once: `N`, or auto for the largest of 2048, 1024 and 512 with which the most slots fit; a larger number reads prompts faster, and needs more GPU memory")
	f.registerPlace(flags)
	flags.StringVar(&f.pull, "pull", "never", "`never|missing`: fetch a model that the server does not have; of all tasks that share the model folder, one fetches it")
	flags.StringVar(&f.stage, "stage", string(stage.Auto), "`auto|always|never`: read the model's files in sequence before servers load them; auto does so on network file systems, where a server's page faults are slow, if the memory of the job holds the files")
	flags.StringVar(&f.order, "order", automatic, "`auto|input`: auto asks rows that share the beginning of their prompts one after the other in the same slot, so that a server reads it once; input is the order of the input")
	f.lookAhead = defaultLookAhead
	flags.Var(&f.lookAhead, "look-ahead", "with --order auto: rows are put in order within the next `SIZE` of the input, and the next 1024 rows")
	flags.BoolVar(&f.allowCPULayers, "allow-cpu-layers", false, "accept a YAML whose gpu_layers leaves layers of the model to the CPU")
	flags.StringVar(&f.serverMemory, "max-server-memory", automatic, "host memory `SIZE` above which a server is restarted (16G; a bare number is MiB; mapped files do not count); auto is a little less than the job's memory limit, for all servers together; 0 is no limit")
	flags.StringVar(&f.answerMemory, "max-answer-memory", automatic, "host memory `SIZE` for the answers in flight (2G; a bare number is MiB); a sixteenth of it is the most that the answers of one row may have; auto is an eighth of the job's memory, from 256M to 4G")
}

func (f *runFlags) registerRetries(flags *pflag.FlagSet) {
	secondsVar(flags, &f.requestTimeout, "request-timeout", 30*time.Minute, "limit `TIME` of one answer")
	flags.IntVar(&f.maxRetries, "max-retries", 3, "a row is asked again up to `N` times after a failure of the server, or after an answer that is not the JSON it asks for")
	secondsVar(flags, &f.retryDelay, "retry-delay", defaultRetryDelay, "pause `TIME` before a row is asked again, twice as long each time, up to 32 times")
	flags.IntVar(&f.maxRestarts, "max-restarts", 5, "a lost server is restarted up to `N` times within 10 minutes")
	secondsVar(flags, &f.stallTimeout, "stall-timeout", 5*time.Minute, "restart a server that has rows but shows no progress for `TIME`")
}

func (f *runFlags) registerLog(flags *pflag.FlagSet) {
	flags.StringVar(&f.logLevel, "log-level", "info", "`LEVEL`: debug, info, warn or error")
	flags.StringVar(&f.logFormat, "log-format", "text", "`text|json`: format of the log")
}

func (f *runFlags) run(cmd *cobra.Command) error {
	ctx, flags := cmd.Context(), cmd.Flags()
	console, err := newConsole(f.progress, f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	warnOfSecrets(console.log, flags)
	warnOfUnknown(console.log, cmd.Root())
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
	if err := f.measure.apply(flags, &config); err != nil {
		return err
	}
	config.Server.ScratchRoot = scratchRoot(console.log)
	// Go knows the CPUs that this process is bound to. Only SLURM's variables name the CPUs that it was promised.
	if n := config.Place.Job.CPUs(); n < runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(n)
		console.log.Debug().Int("cpus", runtime.GOMAXPROCS(0)).Msg("this program uses only the CPUs of the job")
	}
	running, signals := onSignals(ctx)
	defer signals.giveBack()
	ballast := make([]byte, ballastBytes)
	defer runtime.KeepAlive(ballast)
	counts := new(record.Counters)
	endProgress := console.show(counts)
	summary, err := worker.Run(running, config, console.log, signals.drain, counts)
	endProgress()
	if summary.Rows() > 0 {
		printf(os.Stderr, "%s\nresults %s\n", own(summary.String()), resultsIn(config, summary))
		if summary.Failed+summary.FailedBefore > 0 {
			printf(os.Stderr, "errors  %s\n", summary.Errors)
		}
	}
	if f.job.requeue {
		f.job.requeueWhereWorth(ctx, console.log, config.Place.Job, summary, signals.warned(), err)
	}
	if f.report {
		f.writeReport(running, console.log, signals, err)
	}
	if err == nil && f.failOn == "rows" && summary.Failed+summary.FailedBefore > 0 {
		return errRowsFailed
	}
	return err
}

// config checks the flags and returns the configuration of the worker.
func (f *runFlags) config(s settings) (worker.Config, error) {
	if err := f.check(); err != nil {
		return worker.Config{}, err
	}
	trial, err := f.trial.config()
	if err != nil {
		return worker.Config{}, err
	}
	wish, err := f.wish()
	if err != nil {
		return worker.Config{}, err
	}
	servers, err := f.serverSettings(s, wish)
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
	answers, err := f.answerBytes(place)
	if err != nil {
		return worker.Config{}, err
	}
	return worker.Config{
		Trial: trial,
		Input: f.request.input, Layout: s.layout, MaxRowBytes: int(f.request.maxRowBytes), KeepFirst: f.request.dedupe == dedupeFirst,
		Output: f.results.output, Results: results, Place: place, Defaults: s.defaults,
		Server: servers, Model: s.model, Request: wish, FitContext: f.context == automatic, RequestTimeout: f.requestTimeout, MaxRetries: f.maxRetries,
		RetryDelay:  f.retryDelay,
		MaxRestarts: f.maxRestarts, StallTimeout: f.stallTimeout, MaxServerBytes: each, MaxFleetBytes: all, AnswerMemory: answers,
		Stage: stage.When(f.stage),
		Order: dispatch.Order{AsInput: f.order == "input", LookAhead: int64(f.lookAhead)},
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
		{"stage", f.stage, []string{string(stage.Auto), string(stage.Always), string(stage.Never)}},
		{"fail-on", f.failOn, []string{"rows", "none"}},
		{"order", f.order, []string{automatic, "input"}},
		{"kv-cache-type", f.kvCacheType, []string{"f16", "q8_0", "q4_0"}},
	} {
		if err := oneOf(choice.flag, choice.value, choice.allowed...); err != nil {
			return err
		}
	}
	switch {
	case f.minContext < 0:
		return usagef("--min-context is %d; it must be 0 or more", f.minContext)
	case f.fallbackContext < 0:
		return usagef("--fallback-context is %d; it must be 0 or more", f.fallbackContext)
	case f.requestTimeout <= 0:
		return usagef("--request-timeout is %s; it must be more than 0", f.requestTimeout)
	case f.maxRetries < 0:
		return usagef("--max-retries is %d; it must be 0 or more", f.maxRetries)
	case f.retryDelay < 0 || f.retryDelay > mostRetryDelay:
		return usagef("--retry-delay is %s; it must be from 0 to %s", f.retryDelay, mostRetryDelay)
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

func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return usagef("--%s is %q; it must be %s", flag, value, strings.Join(allowed, " or "))
}

package fakeollama

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// startFault is a way to fail before the server is ready.
type startFault string

const (
	startWell          startFault = ""
	startExit          startFault = "exit"            // print two lines and exit 1
	startSilent        startFault = "silent"          // run, but neither listen nor print
	startDeaf          startFault = "deaf"            // listen and accept, but never answer HTTP, and name no device
	startNoFirstAnswer startFault = "no-first-answer" // answer everything except /api/chat
)

// The generations of Ollama. They differ in their errors for a prompt that is too long, and in the options that cause a
// reload.
const (
	oldGeneration = "o"
	newGeneration = "n"
)

// config holds the flags and the environment.
type config struct {
	models            []string
	version           string
	generation        string
	family            string
	gpu               bool
	vram              vram
	vision            bool
	embeds            bool
	maxInvalidAnswers int
	delay             time.Duration
	answerBytes       int64
	threads           int
	pullError         string
	pullLayers        []int64
	pullStep          time.Duration
	record            string
	lean              bool
	bodies            bool
	startFault        startFault
	child             bool
	childSetsid       bool
	childPID          string
	faults            faultList
	faultMatch        string
	seed              uint64
	hold              int
	holdRows          int
	pass              string
	maxLife           time.Duration

	address string // from OLLAMA_HOST
	folder  string // from OLLAMA_MODELS
	slots   int    // from OLLAMA_NUM_PARALLEL
	context int    // from OLLAMA_CONTEXT_LENGTH
}

// parse parses the command line, without the program's name, and the environment.
func parse(args, env []string, stderr io.Writer) (config, error) {
	var c config
	f := flag.NewFlagSet("fakeollama", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: fakeollama [flags] serve")
		f.PrintDefaults()
	}
	models := f.String("models", "bigram", "comma-separated `names` of the existing models")
	f.StringVar(&c.version, "version", "", "the reported `version` (default 0.24.0 or 0.34.3, depending on the generation)")
	f.StringVar(&c.generation, "generation", newGeneration, "`generation` to imitate: o for old, n for new")
	f.StringVar(&c.family, "family", "llama", "`architecture` of every model")
	f.BoolVar(&c.gpu, "gpu", false, "report a GPU as compute device")
	slots := f.String("gpu-slots", "", "with more slots than `N[,N…]` a part of the model spills to the CPU; one N per server on the same GPU, and the last N for all further servers")
	f.IntVar(&c.vram.context, "gpu-context", 0, "with a context of more than `N` tokens a part of the model spills; 0 means no limit")
	f.IntVar(&c.vram.servers, "gpu-servers", 0, "if `N` servers have the model on a GPU, the model of another server spills; 0 means no limit")
	full := f.String("gpu-full", "", "comma-separated `uuids` of full GPUs")
	f.BoolVar(&c.embeds, "embeds", false, "make every model an embedding model")
	f.IntVar(&c.maxInvalidAnswers, "misfits", 0, "answer the first `N` requests with the same message and a format with invalid JSON")
	f.BoolVar(&c.vision, "vision", false, "give every model vision")
	f.DurationVar(&c.delay, "delay", 0, "time of an answer in its slot")
	f.Int64Var(&c.answerBytes, "answer-bytes", 0, "give every answer a text of `N` bytes")
	f.IntVar(&c.threads, "num-thread", 0, "num_thread in every model's own parameters; 0 means none")
	f.StringVar(&c.pullError, "pull-error", "", "error `text` of every pull, inside HTTP 200")
	layers := f.String("pull-layers", strconv.Itoa(modelSize), "layers of a pull in `BYTES[,BYTES…]`")
	f.DurationVar(&c.pullStep, "pull-step", 0, "time of each quarter of a layer")
	f.StringVar(&c.record, "record", "", "write the record to this `file`, or to a new file in this folder")
	f.BoolVar(&c.lean, "lean", false, "answer plain chat requests with minimal work: no log lines, and the record only at the end")
	f.BoolVar(&c.bodies, "record-bodies", false, "also record the bodies of chat requests")
	start := f.String("start-fault", "", "failure before the server is ready: exit, silent, deaf or no-first-answer")
	f.BoolVar(&c.child, "child", false, "start a child that ignores signals and outlives the server")
	f.BoolVar(&c.childSetsid, "child-setsid", false, "put the child in its own session")
	f.StringVar(&c.childPID, "child-pid", "", "`file` for the child's process id")
	f.Var(&c.faults, "fault", "fail requests, `KIND[:RATE|@N]`; repeatable; kinds: "+kindNames())
	f.StringVar(&c.faultMatch, "fault-match", "", "fail only requests whose last message contains this `text`")
	f.Uint64Var(&c.seed, "seed", 1, "seed for the choice of requests by RATE")
	f.IntVar(&c.hold, "hold", 0, "answer only while `N` requests are in flight")
	f.IntVar(&c.holdRows, "hold-rows", 0, "end --hold after `M` requests have arrived")
	f.StringVar(&c.pass, "pass", "", "while this `file` exists, answer only as many requests as the number in it")
	f.DurationVar(&c.maxLife, "max-life", 10*time.Minute, "exit after this time at the latest")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	c.models = strings.FieldsFunc(*models, func(r rune) bool { return r == ',' })
	for _, n := range strings.FieldsFunc(*slots, func(r rune) bool { return r == ',' }) {
		limit, err := strconv.Atoi(n)
		if err != nil {
			return c, fmt.Errorf("--gpu-slots: %w", err)
		}
		c.vram.slots = append(c.vram.slots, limit)
	}
	for _, n := range strings.FieldsFunc(*layers, func(r rune) bool { return r == ',' }) {
		size, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			return c, fmt.Errorf("--pull-layers: %w", err)
		}
		c.pullLayers = append(c.pullLayers, size)
	}
	c.vram.full = strings.FieldsFunc(*full, func(r rune) bool { return r == ',' })
	c.startFault = startFault(*start)
	if c.version == "" {
		c.version = map[string]string{oldGeneration: "0.24.0", newGeneration: "0.34.3"}[c.generation]
	}
	if err := c.check(f.Args()); err != nil {
		return c, err
	}
	return c, c.readEnvironment(env)
}

func (c *config) check(rest []string) error {
	switch {
	case !slices.Equal(rest, []string{"serve"}):
		return fmt.Errorf("arguments are %q; use flags and then serve", rest)
	case c.generation != oldGeneration && c.generation != newGeneration:
		return fmt.Errorf("--generation is %q; want o or n", c.generation)
	case !slices.Contains([]startFault{startWell, startExit, startSilent, startDeaf, startNoFirstAnswer}, c.startFault):
		return fmt.Errorf("--start-fault is %q; want exit, silent, deaf or no-first-answer", c.startFault)
	case c.maxLife <= 0:
		return fmt.Errorf("--max-life is %s; it must be above 0", c.maxLife)
	case c.hold < 0 || c.holdRows < 0 || (c.hold > 0) != (c.holdRows > 0):
		return errors.New("--hold N and --hold-rows M go together, both above 0")
	case c.lean && (len(c.faults) > 0 || c.hold > 0 || c.bodies || c.startFault != startWell || len(c.models) == 0):
		return errors.New("--lean needs a model, and excludes faults, --hold and --record-bodies")
	case !c.child && (c.childSetsid || c.childPID != ""):
		return errors.New("--child-setsid and --child-pid need --child")
	}
	return nil
}

func (c *config) readEnvironment(env []string) (err error) {
	if c.address, err = loopback(lookup(env, "OLLAMA_HOST")); err != nil {
		return fmt.Errorf("OLLAMA_HOST: %w", err)
	}
	c.folder = lookup(env, "OLLAMA_MODELS")
	c.vram.devices, c.vram.folder = lookup(env, "CUDA_VISIBLE_DEVICES"), c.folder
	if c.slots, err = count(env, "OLLAMA_NUM_PARALLEL", 1); err != nil {
		return err
	}
	c.context, err = count(env, "OLLAMA_CONTEXT_LENGTH", 4096)
	return err
}

// lookup returns the last value of the variable.
func lookup(env []string, name string) string {
	for _, v := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// count returns a positive number. As in Ollama, unset and 0 mean the default.
func count(env []string, name string, byDefault int) (int, error) {
	value := lookup(env, name)
	if value == "" || value == "0" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return 0, fmt.Errorf("%s is %q; want a number above 0", name, value)
	}
	return n, nil
}

// loopback parses an address as Ollama does. It returns an error unless the address is a loopback address.
func loopback(host string) (string, error) {
	host = strings.TrimSuffix(strings.TrimPrefix(strings.Trim(host, " \"'"), "http://"), "/")
	if host == "" {
		host = "127.0.0.1"
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), "11434"
	}
	if ip := net.ParseIP(name); name != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("%q is not a loopback address", host)
	}
	return net.JoinHostPort(name, port), nil
}

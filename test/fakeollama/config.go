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

// startFault is a way not to become ready.
type startFault string

const (
	startWell          startFault = ""
	startExit          startFault = "exit"            // say two things and exit 1
	startSilent        startFault = "silent"          // live, but neither listen nor print
	startDeaf          startFault = "deaf"            // listen and accept, but never answer HTTP; name no device
	startNoFirstAnswer startFault = "no-first-answer" // answer everything but /api/chat
)

// The generations of Ollama, which differ in how they refuse a prompt that is too long and what makes them load again.
const (
	oldGeneration = "o"
	newGeneration = "n"
)

// config is what the flags and the environment say.
type config struct {
	models      []string
	version     string
	generation  string
	family      string
	gpu         bool
	room        room
	vision      bool
	embeds      bool
	mostMisfits int
	delay       time.Duration
	threads     int
	pullError   string
	pullLayers  []int64
	pullStep    time.Duration
	record      string
	lean        bool
	bodies      bool
	startFault  startFault
	child       bool
	childSetsid bool
	childPID    string
	faults      faultList
	faultMatch  string
	seed        uint64
	hold        int
	holdRows    int
	pass        string
	maxLife     time.Duration

	address string // from OLLAMA_HOST
	folder  string // from OLLAMA_MODELS
	slots   int    // from OLLAMA_NUM_PARALLEL
	context int    // from OLLAMA_CONTEXT_LENGTH
}

// parse reads the command line (without the program's name) and the environment.
func parse(args, env []string, stderr io.Writer) (config, error) {
	var c config
	f := flag.NewFlagSet("fakeollama", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: fakeollama [flags] serve")
		f.PrintDefaults()
	}
	models := f.String("models", "bigram", "the `names` of the models that are there, separated by commas")
	f.StringVar(&c.version, "version", "", "the `version` to claim (default 0.24.0 or 0.34.3, as the generation is)")
	f.StringVar(&c.generation, "generation", newGeneration, "behave like the old `generation`, o, or the new one, n")
	f.StringVar(&c.family, "family", "llama", "the `architecture` that every model claims to have")
	f.BoolVar(&c.gpu, "gpu", false, "claim to compute on a GPU")
	slots := f.String("gpu-slots", "", "with more slots than `N[,N…]` a part of the model spills to the CPU: of the first server on a GPU, of the next, and of all after the last")
	f.IntVar(&c.room.context, "gpu-context", 0, "with a context of more than `N` tokens a part of the model spills; 0 is no limit")
	f.IntVar(&c.room.servers, "gpu-servers", 0, "when `N` servers have the model on a GPU, that of another one spills; 0 is no limit")
	full := f.String("gpu-full", "", "the `uuids` of GPUs that hold nothing, separated by commas")
	f.BoolVar(&c.embeds, "embeds", false, "claim that every model makes embeddings, and nothing else")
	f.IntVar(&c.mostMisfits, "misfits", 0, "answer a request with a format by what is no JSON the first `N` times that its message comes")
	f.BoolVar(&c.vision, "vision", false, "claim that every model can see")
	f.DurationVar(&c.delay, "delay", 0, "how long an answer takes once it has a slot")
	f.IntVar(&c.threads, "num-thread", 0, "the num_thread that every model's own parameters name; 0 is none")
	f.StringVar(&c.pullError, "pull-error", "", "the `text` with which every pull fails, inside HTTP 200")
	layers := f.String("pull-layers", strconv.Itoa(modelSize), "what is pulled, in layers of `BYTES[,BYTES…]`")
	f.DurationVar(&c.pullStep, "pull-step", 0, "how long each quarter of a layer takes")
	f.StringVar(&c.record, "record", "", "write what was seen to this `file`, or, where it is a folder, to a file of its own there")
	f.BoolVar(&c.lean, "lean", false, "answer plain chat requests with the least work: no log lines, and a record that is written at the end alone")
	f.BoolVar(&c.bodies, "record-bodies", false, "record the bodies of the chat requests too")
	start := f.String("start-fault", "", "how not to become ready: exit, silent, deaf or no-first-answer")
	f.BoolVar(&c.child, "child", false, "start a child that ignores signals and is left behind")
	f.BoolVar(&c.childSetsid, "child-setsid", false, "put the child in a session of its own")
	f.StringVar(&c.childPID, "child-pid", "", "the `file` for the child's process id")
	f.Var(&c.faults, "fault", "fail requests, `KIND[:RATE|@N]`; repeatable; kinds: "+kindNames())
	f.StringVar(&c.faultMatch, "fault-match", "", "fail only requests whose last message contains this `text`")
	f.Uint64Var(&c.seed, "seed", 1, "which requests a RATE means")
	f.IntVar(&c.hold, "hold", 0, "answer only while `N` requests that are to be answered are in flight")
	f.IntVar(&c.holdRows, "hold-rows", 0, "no longer once so many of them (`M`) have arrived")
	f.StringVar(&c.pass, "pass", "", "while this `file` is there, answer only so many requests as the number in it")
	f.DurationVar(&c.maxLife, "max-life", 10*time.Minute, "end after this time in any case")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	c.models = strings.FieldsFunc(*models, func(r rune) bool { return r == ',' })
	for _, n := range strings.FieldsFunc(*slots, func(r rune) bool { return r == ',' }) {
		most, err := strconv.Atoi(n)
		if err != nil {
			return c, fmt.Errorf("--gpu-slots: %w", err)
		}
		c.room.slots = append(c.room.slots, most)
	}
	for _, n := range strings.FieldsFunc(*layers, func(r rune) bool { return r == ',' }) {
		size, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			return c, fmt.Errorf("--pull-layers: %w", err)
		}
		c.pullLayers = append(c.pullLayers, size)
	}
	c.room.full = strings.FieldsFunc(*full, func(r rune) bool { return r == ',' })
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
		return fmt.Errorf("arguments are %q; want flags and then serve", rest)
	case c.generation != oldGeneration && c.generation != newGeneration:
		return fmt.Errorf("--generation is %q; want o or n", c.generation)
	case !slices.Contains([]startFault{startWell, startExit, startSilent, startDeaf, startNoFirstAnswer}, c.startFault):
		return fmt.Errorf("--start-fault is %q; want exit, silent, deaf or no-first-answer", c.startFault)
	case c.maxLife <= 0:
		return fmt.Errorf("--max-life is %s; it must be above 0", c.maxLife)
	case c.hold < 0 || c.holdRows < 0 || (c.hold > 0) != (c.holdRows > 0):
		return errors.New("--hold N and --hold-rows M go together, both above 0")
	case c.lean && (len(c.faults) > 0 || c.hold > 0 || c.bodies || c.startFault != startWell || len(c.models) == 0):
		return errors.New("--lean needs a model, and goes with no fault, no --hold and no --record-bodies")
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
	c.room.devices, c.room.folder = lookup(env, "CUDA_VISIBLE_DEVICES"), c.folder
	if c.slots, err = count(env, "OLLAMA_NUM_PARALLEL", 1); err != nil {
		return err
	}
	c.context, err = count(env, "OLLAMA_CONTEXT_LENGTH", 4096)
	return err
}

// lookup returns the value of the variable, the last one where there are several.
func lookup(env []string, name string) string {
	for _, v := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// count reads a positive number; unset and 0 mean the default, as they do to Ollama.
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

// loopback reads an address as Ollama does and accepts it if nobody else can reach it.
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
		return "", fmt.Errorf("%q is not a loopback address; a stand-in answers nobody else", host)
	}
	return net.JoinHostPort(name, port), nil
}

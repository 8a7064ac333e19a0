package ollama

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Device is the kind of device on which a server may compute.
type Device string

// The devices.
const (
	DeviceAuto Device = "auto" // a GPU; the server fails without one
	DeviceCPU  Device = "cpu"
)

// Settings holds the settings that a server gets in its environment.
type Settings struct {
	Models      string // the model folder
	File        *File  // the only model of the server, in a model folder of its own that replaces Models; nil for a model in Models
	Home        string // scratch folder; Ollama writes a key pair to it and does not start without it
	Slots       int    // number of parallel requests, at least 1
	Context     int    // tokens per slot, at least 1
	Device      Device
	Devices     []string      // UUIDs of the GPUs that the server may use; empty keeps the job's setting
	KVCacheType string        // "f16", "q8_0" or "q4_0"; empty means f16
	FixedLayers bool          // each request says how many layers are on the GPUs, so the server must not adjust anything
	LoadTimeout time.Duration // the server aborts a load that makes no progress for this time
	Isolate     Isolation     // the zero value means never
	// Port is the port on which a server of another program listens, by its command. 0 is Ollama, which gets the settings above in
	// its environment and reports its port. A server of another program gets Device and Devices alone; Devices are entries of
	// CUDA_VISIBLE_DEVICES.
	Port int
}

// inherited reports whether the server may see a variable of the job's environment. The variables of Ollama and
// llama-server are removed because they would override our settings, change the meaning of a request, log prompts
// (OLLAMA_DEBUG_LOG_REQUESTS, LLAMA_ARG_LOG_VERBOSITY), admit web pages (OLLAMA_ORIGINS) or lock us out
// (LLAMA_API_KEY). SLURM sets the AMD and Intel variables even for NVIDIA GPUs; Ollama then finds no GPU and silently
// computes on the CPU (ollama issues 10833 and 11220). Empty values do not help: the variables must be absent.
func inherited(name string) bool {
	for _, prefix := range []string{"OLLAMA_", "LLAMA_", "MTMD_", "GGML_", "FLUXWORKER_"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return !slices.Contains([]string{
		"HOME", "TMPDIR", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK",
		"CUDA_DEVICE_ORDER", "GIN_MODE",
	}, name)
}

// environment returns the server's environment: the job's variables that are inherited, the settings, and the variables that
// take both into a container.
func environment(job []string, s Settings) []string {
	settings := s.variables()
	set := make(map[string]bool)
	for _, v := range settings {
		set[variableName(v)] = true
	}
	var env []string
	for _, v := range job {
		name := variableName(v)
		inside := insideName(name)
		// With two variables of the same name, the choice between them would depend on the program.
		if inherited(inside) && !set[inside] && !slices.Contains(containerOptions, name) {
			env = append(env, v)
		}
	}
	return append(append(env, settings...), containerVariables(job, settings, s)...)
}

// variables returns the environment variables that stand for the settings, as NAME=VALUE.
func (s Settings) variables() []string {
	env := []string{
		"HOME=" + s.Home,
		"TMPDIR=" + s.Home,             // the job's TMPDIR may belong to another node; files left in Home are removed with the server
		"CUDA_DEVICE_ORDER=PCI_BUS_ID", // the order of NVML; CUDA's default puts the fastest GPU first
		"GIN_MODE=release",
		"OLLAMA_NUM_PARALLEL=" + strconv.Itoa(s.Slots),
		"OLLAMA_CONTEXT_LENGTH=" + strconv.Itoa(s.Context),
		"OLLAMA_HOST=127.0.0.1:0", // the kernel chooses the port, the log reports it
		"OLLAMA_MODELS=" + s.Models,
		"OLLAMA_MAX_LOADED_MODELS=1",
		"OLLAMA_FLASH_ATTENTION=1", // batcher's memory figures assume it; the old generation needs it for a quantised cache
		"OLLAMA_KEEP_ALIVE=-1",
		"OLLAMA_LOAD_TIMEOUT=" + s.LoadTimeout.String(),
		"OLLAMA_NOPRUNE=1",            // other jobs share the model folder
		"OLLAMA_NO_CLOUD=1",           // otherwise Ollama connects to the internet every few hours
		"LLAMA_ARG_CACHE_RAM=0",       // otherwise llama-server keeps 8 GiB of prompts in host memory, and SLURM kills the job
		"LLAMA_ARG_CTX_CHECKPOINTS=0", // otherwise it keeps up to 32 copies of a slot's window or recurrent state there
		// An image may set the following variables: to have prompts logged, or to let web pages in.
		"OLLAMA_DEBUG=0",
		"OLLAMA_DEBUG_LOG_REQUESTS=0",
		"OLLAMA_ORIGINS=",
	}
	switch {
	case s.Device == DeviceCPU:
		env = append(env, "CUDA_VISIBLE_DEVICES=-1", "ROCR_VISIBLE_DEVICES=-1")
	case len(s.Devices) > 0:
		env = append(env, "CUDA_VISIBLE_DEVICES="+strings.Join(s.Devices, ","))
	}
	if len(s.Devices) > 1 {
		env = append(env, "OLLAMA_SCHED_SPREAD=1") // otherwise Ollama fills the first GPU with all that it thinks fits
	}
	if s.FixedLayers {
		env = append(env, "LLAMA_ARG_FIT=off") // otherwise llama-server changes what it was not told, to leave 1 GiB free
	}
	if s.KVCacheType != "" {
		env = append(env, "OLLAMA_KV_CACHE_TYPE="+s.KVCacheType)
	}
	return env
}

// variableName returns the name of a variable NAME=VALUE.
func variableName(v string) string {
	name, _, _ := strings.Cut(v, "=")
	return name
}

// SplitCommand splits a command line into words at blanks and line ends. Quotes and backslashes, also at a line's end, work as in a
// shell; nothing is expanded. It returns an error if the line is empty or a quotation is not closed.
func SplitCommand(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune // the quote that is open, or 0
	started, escaped := false, false
	for _, r := range line {
		switch {
		case escaped && r == '\n':
			escaped = false
		case escaped:
			word.WriteRune(r)
			escaped, started = false, true
		case r == '\\' && quote != '\'':
			escaped = true
		case r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, started = r, true
		case strings.ContainsRune(" \t\r\n", r):
			if started {
				words = append(words, word.String())
				word.Reset()
				started = false
			}
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("command %q ends within a quotation", line)
	}
	if started {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("command is empty")
	}
	return words, nil
}

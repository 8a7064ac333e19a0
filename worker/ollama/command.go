package ollama

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Device says what a server may compute on.
type Device string

// The devices.
const (
	DeviceAuto Device = "auto" // a GPU; without one the server counts as failed
	DeviceCPU  Device = "cpu"
)

// Settings are what a server is told by its environment.
type Settings struct {
	Models      string        // the folder with the models
	File        *File         // the one model that it has, in a folder of its own instead of Models; nil is none
	Home        string        // scratch; Ollama writes a key pair there and does not start without
	Slots       int           // requests answered at the same time, at least 1
	Context     int           // tokens in each slot's context, at least 1
	Device      Device        //
	Devices     []string      // UUIDs of the GPUs that it may use; empty leaves the job's setting as it is
	KVCacheType string        // "f16", "q8_0" or "q4_0"; empty is f16
	LoadTimeout time.Duration // how long the load of the model may stand still
	Isolate     Isolation     // the zero value is never
}

// inherited tells which of the job's variables a server may see. Ollama's and llama-server's own would win over ours,
// change what a request means, have prompts logged (OLLAMA_DEBUG_LOG_REQUESTS, LLAMA_ARG_LOG_VERBOSITY), let web pages in
// (OLLAMA_ORIGINS) or keep us out (LLAMA_API_KEY). SLURM sets the AMD and Intel ones even for NVIDIA GPUs, and Ollama then finds no GPU at all and
// silently computes on the CPU (ollama issues 10833 and 11220). Empty is not enough, they must be gone.
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

// environment builds a server's environment from the job's.
func environment(job []string, s Settings) []string {
	env := make([]string, 0, len(job)+16)
	for _, v := range job {
		if name, _, _ := strings.Cut(v, "="); inherited(name) {
			env = append(env, v)
		}
	}
	switch {
	case s.Device == DeviceCPU:
		env = set(env, "CUDA_VISIBLE_DEVICES", "-1")
		env = set(env, "ROCR_VISIBLE_DEVICES", "-1")
	case len(s.Devices) > 0:
		env = set(env, "CUDA_VISIBLE_DEVICES", strings.Join(s.Devices, ","))
	}
	if len(s.Devices) > 1 {
		env = append(env, "OLLAMA_SCHED_SPREAD=1") // or it puts on the first what it thinks fits there
	}
	if s.KVCacheType != "" {
		env = append(env, "OLLAMA_KV_CACHE_TYPE="+s.KVCacheType)
	}
	return append(env,
		"HOME="+s.Home,
		"TMPDIR="+s.Home,               // the job's may be another node's, and what is left here goes with the server
		"CUDA_DEVICE_ORDER=PCI_BUS_ID", // NVML's order; CUDA's own puts the fastest first
		"GIN_MODE=release",
		"OLLAMA_HOST=127.0.0.1:0", // the kernel picks the port, the log says which
		"OLLAMA_MODELS="+s.Models,
		"OLLAMA_NUM_PARALLEL="+strconv.Itoa(s.Slots),
		"OLLAMA_CONTEXT_LENGTH="+strconv.Itoa(s.Context),
		"OLLAMA_MAX_LOADED_MODELS=1",
		"OLLAMA_FLASH_ATTENTION=1", // the plan counts on it; the old generation wants it for a quantised cache
		"OLLAMA_KEEP_ALIVE=-1",
		"OLLAMA_LOAD_TIMEOUT="+s.LoadTimeout.String(),
		"OLLAMA_NOPRUNE=1",      // the folder is shared with other jobs
		"OLLAMA_NO_CLOUD=1",     // or it calls out every few hours
		"LLAMA_ARG_CACHE_RAM=0", // or llama-server keeps 8 GiB of prompts in host memory and the job is killed for it
	)
}

// set replaces a variable: of two with one name, which one counts is up to the program.
func set(env []string, name, value string) []string {
	env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	return append(env, name+"="+value)
}

// SplitCommand takes a command line apart: blanks separate words, quotes and backslashes keep them together, and
// nothing is expanded.
func SplitCommand(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune // the quote that is open, or 0
	started, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, started = true, true
		case r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, started = r, true
		case r == ' ' || r == '\t':
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

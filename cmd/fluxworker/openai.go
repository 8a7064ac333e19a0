package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"fluxworker/modelcfg"
	"fluxworker/worker/fleet"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

const (
	// maxInFlight is the largest --slots for such a server.
	maxInFlight = 4096
	// maxKey limits the file of a key, in bytes.
	maxKey = 16 << 10
)

// openAIFlags are the flags of servers of OpenAI's API.
type openAIFlags struct {
	url     string
	keyFile string
	command string
	servers int
}

func (f *openAIFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "openai-url", "", "use the running server of OpenAI's API at `URL`, such as vLLM, SGLang or llama-server, instead of Ollama; a row's body goes to the server as it is")
	flags.StringVar(&f.command, "server-command", "", "start the server of OpenAI's API with this `COMMAND` in quotes, such as 'vllm serve NAME --host 127.0.0.1 --port {port}'; {port} becomes a free port, {gpus} the number of GPUs of the server")
	flags.IntVar(&f.servers, "servers", 1, "with --server-command: start `N` servers, which share out the GPUs evenly")
	flags.StringVar(&f.keyFile, "openai-key-file", "", "`FILE` with the key of the servers of OpenAI's API; only its owner may read the file")
}

// given reports whether the server is one of OpenAI's API.
func (f *openAIFlags) given() bool { return f.url != "" || f.command != "" }

// unfit lists the flags that a server of OpenAI's API does not follow, with the reason.
func (f *openAIFlags) unfit() []unfitFlags {
	list := []unfitFlags{
		{[]string{"ollama", "ollama-models", "ollama-url", "pull", "stage", "gguf", "gguf-projector"}, "belongs to Ollama, which does not run here"},
		{[]string{"model-config"}, "names settings of Ollama; use the flags of the request, such as --temperature and --max-tokens"},
		{[]string{"context", "min-context", "fallback-context", "kv-cache-type", "ubatch", "allow-cpu-layers", "gpu"}, "is an option of Ollama's memory plan; the owner of the server decides"},
		{[]string{"image-dir"}, "works with Ollama alone: put the images into the rows, as data URLs"},
	}
	if f.url != "" {
		list = append(list, unfitFlags{
			[]string{"device", "isolate", "max-server-memory", "max-restarts", "stall-timeout", "servers"}, "is for servers that the run starts, and --openai-url names a server that runs already",
		})
	}
	return list
}

type unfitFlags struct {
	names []string
	why   string
}

// check refuses flags that do not apply.
func (f *openAIFlags) check(flags *pflag.FlagSet) error {
	switch {
	case !f.given() && f.keyFile != "":
		return usagef("--openai-key-file is %s, but --openai-url and --server-command are missing: name the server that wants the key", f.keyFile)
	case !f.given() && flags.Changed("servers"):
		return usagef("--servers is %d, but --server-command is missing: Ollama gets as many servers as the plan says", f.servers)
	case !f.given():
		return nil
	case f.url != "" && f.command != "":
		return usagef("--openai-url names a server that runs already, and --server-command starts one; leave out one of them")
	case f.servers < 1:
		return usagef("--servers is %d; it must be 1 or more", f.servers)
	}
	for _, group := range f.unfit() {
		for _, name := range group.names {
			if flag := flags.Lookup(name); flag != nil && originOf(flag) != "" {
				return usagef("%s %s; leave it out", originOf(flag), group.why)
			}
		}
	}
	return nil
}

// model returns the model by the name that the server uses.
func (f *openAIFlags) model(name string) (modelcfg.Model, error) {
	if name == "" {
		return modelcfg.Model{}, usagef("--model is missing: give the name that the server uses for the model (GET /v1/models lists it)")
	}
	return modelcfg.Model{Name: name, Ollama: name}, nil
}

// sampling leaves the options that the user has not set to the server.
func (f *openAIFlags) sampling(flags *pflag.FlagSet, s prompt.Sampling) prompt.Sampling {
	if !flags.Changed("max-tokens") {
		s.MaxTokens = prompt.Unset
	}
	if !flags.Changed("temperature") {
		s.Temperature = prompt.Unset
	}
	if !flags.Changed("top-p") {
		s.TopP = prompt.Unset
	}
	if !flags.Changed("top-k") {
		s.TopK = prompt.Unset
	}
	return s
}

// complete completes the settings of the servers; those of Ollama stay as they are.
func (f *openAIFlags) complete(s *fleet.Settings) (err error) {
	if !f.given() {
		return nil
	}
	s.OpenAI = &fleet.OpenAI{Servers: f.servers}
	if s.OpenAI.Key, err = f.key(); err != nil {
		return err
	}
	s.URL, s.Command = f.url, nil
	if f.command == "" {
		return nil
	}
	if s.Command, err = ollama.SplitCommand(f.command); err != nil {
		return usagef("--server-command: %w", err)
	}
	if !strings.Contains(f.command, fleet.PortPlace) {
		return usagef("--server-command is %q; it must have %s where the server takes its port, as in 'vllm serve NAME --host 127.0.0.1 --port %[2]s'", f.command, fleet.PortPlace)
	}
	return nil
}

// key reads the file of the key.
func (f *openAIFlags) key() (string, error) {
	if f.keyFile == "" {
		return "", nil
	}
	file, err := os.Open(f.keyFile)
	if err != nil {
		return "", usagef("--openai-key-file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return "", usagef("--openai-key-file: %w", err)
	case !info.Mode().IsRegular():
		return "", usagef("--openai-key-file: %s is no file; write the key into a file", f.keyFile)
	case info.Mode().Perm()&0o077 != 0:
		return "", usagef("--openai-key-file: other users may use %s (mode %04o); run chmod 600 %s", f.keyFile, info.Mode().Perm(), f.keyFile)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKey+1))
	if err != nil {
		return "", usagef("--openai-key-file: %w", err)
	}
	key := strings.TrimSpace(string(text))
	notInKey := func(r rune) bool { return r <= ' ' || r > '~' } // such a character would end or break the header
	if key == "" || len(text) > maxKey || strings.ContainsFunc(key, notInKey) {
		return "", usagef("--openai-key-file: %s must hold the key alone, on one line", f.keyFile)
	}
	return key, nil
}

// optionText returns an option for people: the server decides where the user has not set it.
func optionText[T int | float64](value T) string {
	if value == prompt.Unset {
		return "as the server decides"
	}
	return fmt.Sprint(value)
}

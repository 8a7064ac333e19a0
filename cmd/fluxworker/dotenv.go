package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"fluxworker/batcher"
	"fluxworker/worker/safeopen"
)

// dotenvName is the settings file of LLMFlux.
const dotenvName = ".env"

// dotenvFlags maps names of LLMFlux to the flags that they set.
var dotenvFlags = []struct{ name, flag string }{
	{"MODEL_NAME", "model"}, {"MAX_RETRIES", "max-retries"}, {"RETRY_DELAY", "retry-delay"}, {"MAX_TOKENS", "max-tokens"},
	{"TEMPERATURE", "temperature"}, {"TOP_P", "top-p"}, {"TOP_K", "top-k"},
}

// The names that set no flag.
const (
	dotenvBatchSize     = "BATCH_SIZE"
	dotenvSaveFrequency = "SAVE_FREQUENCY"
	dotenvOllamaHost    = "OLLAMA_HOST"
	dotenvAccount       = "SLURM_ACCOUNT"
	dotenvPartition     = "SLURM_PARTITION"
	dotenvTime          = "SLURM_TIME"
)

// dotenv holds the settings of a .env under LLMFlux's names. The environment is not read for these names: sbatch exports the
// whole login shell into the job, and SLURM sets names such as SLURM_MEM itself.
type dotenv struct {
	path   string // empty if there is no file
	values map[string]dotenvValue
}

type dotenvValue struct {
	text string
	line int
}

// readDotenv reads the first .env in the working folder and, like LLMFlux, the two folders above.
func readDotenv(log zerolog.Logger) (dotenv, error) {
	for path, n := dotenvName, 0; n < 3; path, n = filepath.Join("..", path), n+1 {
		f, err := safeopen.Named(path)
		_, notFile := errors.AsType[*safeopen.KindError](err) // a virtual environment is sometimes called so
		switch {
		case errors.Is(err, fs.ErrNotExist), notFile:
			continue
		case errors.Is(err, fs.ErrPermission):
			log.Warn().Err(err).Msg("cannot read .env, which may have settings of LLMFlux; the run continues without it")
			return dotenv{}, nil
		case err != nil:
			return dotenv{}, usagef("read settings: %w", err)
		}
		defer f.Close()
		if why := foreign(path, f); why != "" {
			log.Warn().Str("file", path).Str("because", why).Msg("a .env that another user may have written is ignored; copy it to use its settings")
			continue
		}
		return parseDotenv(path, bufio.NewScanner(f))
	}
	return dotenv{}, nil
}

// foreign returns why another user may have written an open file; "" if no other user can.
func foreign(path string, f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	return cmp.Or(safeopen.OtherOwner(path, info), safeopen.OpenToAll(info))
}

// parseDotenv reads the known names from lines such as NAME=value, export NAME="value" or NAME=value # comment. It ignores all
// other lines: many tools share a .env, in many dialects.
func parseDotenv(path string, lines *bufio.Scanner) (dotenv, error) {
	d := dotenv{path: path, values: make(map[string]dotenvValue)}
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "export "), "=")
		if name = strings.TrimSpace(name); !ok || !isDotenvName(name) {
			continue
		}
		if value = dotenvText(strings.TrimSpace(value)); value == "" {
			delete(d.values, name)
			continue
		}
		d.values[name] = dotenvValue{text: value, line: n}
	}
	if err := lines.Err(); err != nil {
		return dotenv{}, usagef("read %s: %w", path, err)
	}
	return d, nil
}

func isDotenvName(name string) bool {
	for _, known := range dotenvFlags {
		if known.name == name {
			return true
		}
	}
	return slices.Contains([]string{dotenvBatchSize, dotenvSaveFrequency, dotenvOllamaHost, dotenvAccount, dotenvPartition, dotenvTime}, name)
}

// dotenvText returns a value without its quotes, or without the comment after it.
func dotenvText(value string) string {
	if value == "" || value[0] == '#' {
		return ""
	}
	if quote := value[0]; quote == '"' || quote == '\'' {
		if end := strings.IndexByte(value[1:], quote); end >= 0 {
			return value[1 : 1+end]
		}
	}
	for i := 1; i < len(value); i++ {
		if value[i] == '#' && (value[i-1] == ' ' || value[i-1] == '\t') {
			return strings.TrimSpace(value[:i])
		}
	}
	return value
}

// origin describes the place of a value.
func (d dotenv) origin(name string) string { return name + " in " + d.path }

// apply sets the flags that neither the command line nor the environment has set, and logs the names with and without effect.
func (d dotenv) apply(flags *pflag.FlagSet, log zerolog.Logger) error {
	var taken []string
	for _, known := range dotenvFlags {
		value, ok := d.values[known.name]
		f := flags.Lookup(known.flag)
		if !ok || f == nil || f.Changed {
			continue
		}
		if err := flags.Set(known.flag, value.text); err != nil {
			return usagef("%s:%d: %s is %q; it must be %s", d.path, value.line, known.name, value.text, wanted(f, err))
		}
		setOrigin(f, d.origin(known.name))
		taken = append(taken, known.name)
	}
	if err := d.checkSlots(); err != nil {
		return err
	}
	if d.slots(flags) > 0 {
		taken = append(taken, dotenvBatchSize)
	}
	if len(taken) > 0 {
		log.Info().Str("file", d.path).Strs("names", taken).Msg("using settings of LLMFlux")
	}
	if flags.Lookup("slots") != nil {
		d.tellOfRest(log)
	}
	return nil
}

// tellOfRest logs the names without effect, and the reason.
func (d dotenv) tellOfRest(log zerolog.Logger) {
	if _, ok := d.values[dotenvSaveFrequency]; ok {
		log.Info().Str("file", d.path).Msg("SAVE_FREQUENCY has no effect: fluxworker saves every answer at once")
	}
	if _, ok := d.values[dotenvOllamaHost]; ok {
		log.Warn().Str("file", d.path).Msg("OLLAMA_HOST has no effect: the run starts its own server on a free port; --ollama-url uses a running server")
	}
}

func (d dotenv) checkSlots() error {
	value, ok := d.values[dotenvBatchSize]
	if n, err := strconv.Atoi(value.text); ok && (err != nil || n < 1 || n > batcher.MaxSlots) {
		return usagef("%s:%d: %s is %q; it must be a number from 1 to %d", d.path, value.line, dotenvBatchSize, value.text, batcher.MaxSlots)
	}
	return nil
}

// slots returns BATCH_SIZE, or 0 if it is not set or --slots is. In LLMFlux, BATCH_SIZE counts the rows of a loop that asks one
// row after the other, and most files have the 4 of its example. As --slots it would limit every GPU to 4 rows at a time. So
// it has the meaning of resources.batch_size in a YAML: the number of slots wanted, and more if the memory allows.
func (d dotenv) slots(flags *pflag.FlagSet) int {
	if f := flags.Lookup("slots"); f == nil || f.Changed {
		return 0
	}
	n, err := strconv.Atoi(d.values[dotenvBatchSize].text)
	if err != nil {
		return 0
	}
	return n
}

// sbatchLines returns the options that the file adds to a job script. The time counts only if the script has no other.
func (d dotenv) sbatchLines(timeKnown bool) (lines []string) {
	for _, option := range []struct{ name, flag string }{
		{dotenvAccount, "--account"}, {dotenvPartition, "--partition"}, {dotenvTime, "--time"},
	} {
		value, ok := d.values[option.name]
		if !ok || option.name == dotenvTime && timeKnown {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s=%s", option.flag, value.text))
	}
	return lines
}

package main

import (
	"bufio"
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
)

// dotenvName is the file that LLMFlux's users keep their settings in.
const dotenvName = ".env"

// dotenvFlags are the names of LLMFlux with the flags that they set.
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

// dotenv is what a .env says under the names that LLMFlux gives to its settings. They are read from there alone and never
// from the environment: sbatch exports the whole login shell into the job, and SLURM sets names such as SLURM_MEM itself.
type dotenv struct {
	path   string // empty where there is none
	values map[string]dotenvValue
}

type dotenvValue struct {
	text string
	line int
}

// readDotenv reads the .env of the working folder or, as LLMFlux does, of the two above it: the first that there is.
func readDotenv(log zerolog.Logger) (dotenv, error) {
	for path, n := dotenvName, 0; n < 3; path, n = filepath.Join("..", path), n+1 {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // a virtual environment is sometimes called so
			continue
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrPermission) {
			log.Warn().Err(err).Msg("settings of LLMFlux that may be there were not read")
			return dotenv{}, nil
		}
		if err != nil {
			return dotenv{}, usagef("read settings: %w", err)
		}
		defer f.Close()
		return parseDotenv(path, bufio.NewScanner(f))
	}
	return dotenv{}, nil
}

// parseDotenv takes the names that are known from lines such as NAME=value, export NAME="value" or NAME=value # comment. All
// other lines are left alone: a .env is shared by many tools, in many dialects, and none of it is a mistake.
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

// dotenvText is a value without its quotes, or without the comment behind it.
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

// origin names a value's place.
func (d dotenv) origin(name string) string { return name + " in " + d.path }

// apply sets the flags that nothing has set yet, and tells what was taken and what was not.
func (d dotenv) apply(flags *pflag.FlagSet, log zerolog.Logger) error {
	var taken []string
	for _, known := range dotenvFlags {
		value, ok := d.values[known.name]
		f := flags.Lookup(known.flag)
		if !ok || f == nil || f.Changed {
			continue
		}
		if err := flags.Set(known.flag, value.text); err != nil {
			return usagef("%s:%d: %s is %q; it must be %s", d.path, value.line, known.name, value.text, kindOf(f))
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
		log.Info().Str("file", d.path).Strs("names", taken).Msg("settings of LLMFlux were taken")
	}
	if flags.Lookup("slots") != nil {
		d.tellOfRest(log)
	}
	return nil
}

// tellOfRest says what is not taken, and why.
func (d dotenv) tellOfRest(log zerolog.Logger) {
	if _, ok := d.values[dotenvSaveFrequency]; ok {
		log.Info().Str("file", d.path).Msg("SAVE_FREQUENCY is not needed: every answer is saved as it comes")
	}
	if _, ok := d.values[dotenvOllamaHost]; ok {
		log.Warn().Str("file", d.path).Msg("OLLAMA_HOST is not taken: the run starts a server of its own, on a port that is free; --ollama-url names one that runs already")
	}
}

func (d dotenv) checkSlots() error {
	value, ok := d.values[dotenvBatchSize]
	if n, err := strconv.Atoi(value.text); ok && (err != nil || n < 1 || n > batcher.MaxSlots) {
		return usagef("%s:%d: %s is %q; it must be a number from 1 to %d", d.path, value.line, dotenvBatchSize, value.text, batcher.MaxSlots)
	}
	return nil
}

// slots is what BATCH_SIZE says, unless --slots was given; 0 for nothing. In LLMFlux it is how many rows go round in
// a loop that asks one after the other, and most files have the 4 of its example. As --slots it would hold every GPU
// down to 4 rows at a time; so it is what resources.batch_size of a YAML is: how many to begin with, and more where the
// memory is there.
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

// sbatchLines are the lines that the file adds to a job script, without "#SBATCH ". The time is only for one that lacks it.
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

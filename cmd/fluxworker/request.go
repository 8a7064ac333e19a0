package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"fluxworker/modelcfg"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// The options of a request that no row, flag, variable or YAML sets. The first three are those of LLMFlux.
const (
	defaultTemperature = 0.7
	defaultTopP        = 0.9
	defaultMaxTokens   = 2048
	defaultTopK        = 40
)

// The choices of --dedupe.
const (
	dedupeFirst = "first"
	dedupeError = "error"
)

// requestFlags are the flags of the requests: input, model and options. run and validate share them.
type requestFlags struct {
	input       string
	maxRowBytes sizeValue
	dedupe      string
	layout      prompt.Layout
	model       string
	modelConfig string
	system      string
	maxTokens   int
	temperature float64
	topP        float64
	topK        int
	seed        int64
	stop        []string
	imageFiles  string
	jsonSchema  string
	jsonObject  bool
	fewShot     string
	file        fileFlags
	openai      openAIFlags
}

func (f *requestFlags) register(flags *pflag.FlagSet) {
	flags.SetNormalizeFunc(canonicalName)
	flags.StringVar(&f.input, "input", "", "`FILE` with the rows: JSONL or a JSON list (OpenAI Batch, {\"prompt\": …}, or columns of your own), text with one prompt per line, .csv or .tsv, each also compressed; Parquet, also a PATTERN of several files in quotes; or a FOLDER of texts, images or Parquet files; - is standard input")
	flags.StringVar(&f.layout.PromptColumn, "prompt-column", "", "`NAME` of the column of a table or of JSON objects that holds the prompts (default: prompt)")
	flags.StringVar(&f.layout.PromptTemplate, "prompt-template", "", "`TEXT` that makes the prompt from the columns of a table or of JSON objects, such as 'Sum up {{.title}}: {{index . \"my column\"}}', or from the files of a folder ({{.text}}, {{.name}}); @FILE reads it from a file")
	flags.StringVar(&f.layout.MessagesColumn, "messages-column", "", "`NAME` of the column of JSON objects or of Parquet that holds conversations: lists of {role, content} or {from, value}; turns of the assistant at the end are left out")
	flags.StringVar(&f.layout.IDColumn, "id-column", "", "`NAME` of the column of a table or of JSON objects that holds the custom_ids (default: custom_id, if there is such a column)")
	flags.StringVar(&f.imageFiles, "image-dir", "", "`FOLDER` with image files that rows may name, by a path from there or a file: URL; without it images must be in the rows")
	f.maxRowBytes = prompt.DefaultMaxRowBytes
	flags.Var(&f.maxRowBytes, "max-row-bytes", "rows longer than `SIZE` become error lines")
	flags.StringVar(&f.dedupe, "dedupe", dedupeError, "`first|error`: rows with the custom_id of an earlier row are left out (first) or become error lines (error)")
	flags.StringVar(&f.model, "model", "", "`NAME` of the model: a name from \"fluxworker models\", or any Ollama tag")
	flags.StringVar(&f.modelConfig, "model-config", "", "YAML `FILE` with the settings of the model (one model, or LLMFlux's models.yaml)")
	f.file.register(flags)
	f.openai.register(flags)
	flags.StringVar(&f.system, "system", "", "system message `TEXT` for rows without one; @FILE reads it from a file")
	flags.StringVar(&f.jsonSchema, "json-schema", "", "`FILE` with the JSON Schema of the answers of rows that do not say it themselves; each answer is checked")
	flags.BoolVar(&f.jsonObject, "json-object", false, "the answers of rows that do not say it themselves are JSON objects of any kind")
	flags.StringVar(&f.fewShot, "few-shot", "", "`FILE` with examples: messages of user and assistant before each row's own, as a JSON list or one on each line")
	flags.IntVar(&f.maxTokens, "max-tokens", defaultMaxTokens, "at most `N` tokens in an answer")
	flags.Float64Var(&f.temperature, "temperature", defaultTemperature, "sampling temperature `T`, from 0 to 2; 0 is greedy")
	flags.Float64Var(&f.topP, "top-p", defaultTopP, "nucleus sampling with `P`, above 0 and up to 1")
	flags.IntVar(&f.topK, "top-k", defaultTopK, "sample from the `K` most likely tokens; 0 is all")
	flags.Int64Var(&f.seed, "seed", 0, "seed `N` of the sampling (default: a new seed for each row)")
	flags.StringArrayVar(&f.stop, "stop", nil, "`TEXT` that ends an answer; may be given several times")
}

// needInput requires --input.
func (f *requestFlags) needInput() error {
	if f.input == "" {
		return usagef("--input is missing: name the file with the rows")
	}
	return nil
}

// settings are the model and the defaults of its rows.
type settings struct {
	model    modelcfg.Model
	file     *ollama.File // the model's own file; nil if the model is in Ollama's folder
	defaults prompt.Defaults
	dotenv   dotenv
	layout   prompt.Layout
}

// resolve merges flag, environment, .env, YAML and default, in this order; a row's own options win over all of them.
func (f *requestFlags) resolve(flags *pflag.FlagSet, log zerolog.Logger) (settings, error) {
	env, err := readDotenv(log)
	if err != nil {
		return settings{}, err
	}
	if err := env.apply(flags, log); err != nil {
		return settings{}, err
	}
	if f.maxRowBytes < 1 {
		return settings{}, usagef("--max-row-bytes is %s; it must be at least 1", &f.maxRowBytes)
	}
	if err := oneOf("dedupe", f.dedupe, dedupeFirst, dedupeError); err != nil {
		return settings{}, err
	}
	if err := f.openai.check(flags); err != nil {
		return settings{}, err
	}
	model, file, err := f.resolveModel(log)
	if err != nil {
		return settings{}, err
	}
	if slots := env.slots(flags); slots > 0 {
		model.Resources.BatchSize = slots
	}
	sampling, err := f.sampling(flags, model.Parameters)
	if err != nil {
		return settings{}, err
	}
	system, err := f.systemText(flags, model)
	if err != nil {
		return settings{}, err
	}
	form, err := f.structure(flags, model.Parameters)
	if err != nil {
		return settings{}, err
	}
	examples, err := f.examples()
	if err != nil {
		return settings{}, err
	}
	images, err := f.imageFolder()
	if err != nil {
		return settings{}, err
	}
	layout, err := f.promptLayout()
	if err != nil {
		return settings{}, err
	}
	return settings{model: model, file: file, layout: layout, dotenv: env, defaults: prompt.Defaults{
		Model: model.Tag(), ModelNames: []string{model.Name}, System: system, Sampling: sampling, Structure: form, Examples: examples,
		ImageFiles: images, OwnBodies: f.openai.given(),
	}}, nil
}

// resolveModel returns the settings of the model and, if it comes from a file, the file.
func (f *requestFlags) resolveModel(log zerolog.Logger) (modelcfg.Model, *ollama.File, error) {
	if f.openai.given() {
		model, err := f.openai.model(f.model)
		return model, nil, err
	}
	if f.model == "" && f.modelConfig == "" && f.file.gguf == "" {
		return modelcfg.Model{}, nil, usagef("--model is missing: name the model to ask (\"fluxworker models\" lists models with known settings)")
	}
	model, file, warnings, err := f.file.resolve(f.model, f.modelConfig)
	for _, w := range warnings {
		log.Warn().Msg(w.String())
	}
	return model, file, err
}

func (f *requestFlags) sampling(flags *pflag.FlagSet, yaml modelcfg.Parameters) (prompt.Sampling, error) {
	s := prompt.Sampling{
		MaxTokens: f.maxTokens, Temperature: f.temperature, TopP: f.topP, TopK: f.topK, Stop: f.stop,
	}
	if yaml.MaxTokens != 0 && !flags.Changed("max-tokens") {
		s.MaxTokens = yaml.MaxTokens
	}
	if yaml.Temperature != nil && !flags.Changed("temperature") {
		s.Temperature = *yaml.Temperature
	}
	if yaml.TopP != nil && !flags.Changed("top-p") {
		s.TopP = *yaml.TopP
	}
	if yaml.TopK != nil && !flags.Changed("top-k") {
		s.TopK = *yaml.TopK
	}
	if !flags.Changed("stop") {
		s.Stop = yaml.StopSequences
	}
	if flags.Changed("seed") {
		s.Seed = &f.seed
	}
	if err := checkSampling(s); err != nil || !f.openai.given() {
		return s, err
	}
	return f.openai.sampling(flags, s), nil
}

// checkSampling applies the ranges of a row's fields to the options of the command line and the YAML.
func checkSampling(s prompt.Sampling) error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(s.MaxTokens >= 1 && s.MaxTokens <= math.MaxInt32, "--max-tokens is %d; it must be from 1 to %d", s.MaxTokens, math.MaxInt32)
	check(s.Temperature >= 0 && s.Temperature <= 2, "--temperature is %g; it must be from 0 to 2", s.Temperature)
	check(s.TopP > 0 && s.TopP <= 1, "--top-p is %g; it must be above 0, to 1", s.TopP)
	check(s.TopK >= 0 && s.TopK <= math.MaxInt32, "--top-k is %d; it must be from 0 (all) to %d", s.TopK, math.MaxInt32)
	for _, stop := range s.Stop {
		check(stop != "", "--stop is empty, which would end every answer at once")
	}
	if err := errors.Join(errs...); err != nil {
		return &usageError{err}
	}
	return nil
}

// systemText returns the system message of the flag, else of the YAML.
func (f *requestFlags) systemText(flags *pflag.FlagSet, model modelcfg.Model) (string, error) {
	if !flags.Changed("system") {
		return model.System.Prompt, nil
	}
	return textOf("system", f.system)
}

// structure returns the form of the answers that the flags or the YAML give; nil for text.
func (f *requestFlags) structure(flags *pflag.FlagSet, yaml modelcfg.Parameters) (*prompt.Structure, error) {
	name, path := "--json-schema", f.jsonSchema
	switch {
	case f.jsonObject && path != "":
		return nil, usagef("--json-object and --json-schema exclude each other; remove one of them")
	case f.jsonObject:
		return new(prompt.Structure), nil
	case path == "" && !flags.Changed("json-schema"):
		name, path = "parameters.json_schema", yaml.JSONSchema
	}
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	form, err := prompt.ParseStructure(text)
	if err != nil {
		return nil, usagef("%s: %s: %w", name, path, err)
	}
	return form, nil
}

// examples returns the messages of --few-shot.
func (f *requestFlags) examples() ([]prompt.Message, error) {
	if f.fewShot == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.fewShot)
	if err != nil {
		return nil, usagef("--few-shot: %w", err)
	}
	messages, err := prompt.ParseExamples(text)
	if err != nil {
		return nil, usagef("--few-shot: %s: %w", f.fewShot, err)
	}
	return messages, nil
}

// promptLayout checks the flags that locate the prompts.
func (f *requestFlags) promptLayout() (layout prompt.Layout, err error) {
	layout = f.layout
	if layout.PromptTemplate, err = textOf("prompt-template", layout.PromptTemplate); err != nil {
		return layout, err
	}
	if err := layout.Check(); err != nil {
		return layout, &usageError{err}
	}
	return layout, nil
}

// textOf returns the text of a flag, or of the file after @. The newline that editors leave at the end of a file does not
// belong to the text.
func textOf(flag, value string) (string, error) {
	path, isFile := strings.CutPrefix(value, "@")
	if !isFile {
		return value, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", usagef("--%s: %w", flag, err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// imageFolder opens the folder of --image-dir; nil without the flag.
func (f *requestFlags) imageFolder() (*prompt.ImageFolder, error) {
	if f.imageFiles == "" {
		return nil, nil
	}
	folder, err := prompt.OpenImageFolder(f.imageFiles)
	if err != nil {
		return nil, usagef("--image-dir: %w; it must name a folder", err)
	}
	return folder, nil
}

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"fluxworker/batcher"
)

// withSources adds the origin of each request setting to a plan.
func (f *runFlags) withSources(plan []batcher.Source, flags *pflag.FlagSet, s settings) []batcher.Source {
	yaml, options := s.model.Parameters, s.defaults.Sampling
	fromYAML := func(set bool, key string) string {
		if !set {
			return "default"
		}
		return key + " of " + s.model.File
	}
	seed, stop, system := "a new one for each row", "none", "none"
	if options.Seed != nil {
		seed = fmt.Sprint(*options.Seed)
	}
	if len(options.Stop) > 0 {
		stop = strings.Join(quotedAll(options.Stop), " ")
	}
	if s.defaults.System != "" {
		system = fmt.Sprintf("%d bytes", len(s.defaults.System))
	}
	model := s.model.Name
	if s.defaults.Model != model && !s.defaults.OwnBodies {
		model += ", in Ollama " + s.defaults.Model
	}
	list := make([]batcher.Source, 0, len(plan)+10)
	add := func(flag, value, otherwise string) {
		from := originOf(flags.Lookup(flag))
		if from == "" {
			from = otherwise
		}
		list = append(list, batcher.Source{What: "--" + flag, Value: value, From: from})
	}
	add("model", model, fromYAML(true, "name"))
	add("system", system, fromYAML(s.model.System.Prompt != "", "system.prompt"))
	form := "text"
	switch s := s.defaults.Structure; {
	case s == nil:
	case s.Schema == nil:
		form = "a JSON object"
	default:
		form = fmt.Sprintf("a JSON Schema of %d bytes", len(s.Schema))
	}
	add("json-schema", form, fromYAML(yaml.JSONSchema != "", "parameters.json_schema"))
	add("max-tokens", optionText(options.MaxTokens), fromYAML(yaml.MaxTokens != 0, "parameters.max_tokens"))
	add("temperature", optionText(options.Temperature), fromYAML(yaml.Temperature != nil, "parameters.temperature"))
	add("top-p", optionText(options.TopP), fromYAML(yaml.TopP != nil, "parameters.top_p"))
	add("top-k", optionText(options.TopK), fromYAML(yaml.TopK != nil, "parameters.top_k"))
	add("stop", stop, fromYAML(yaml.StopSequences != nil, "parameters.stop_sequences"))
	add("seed", seed, "default")
	add("max-retries", fmt.Sprint(f.maxRetries), "default")
	add("retry-delay", f.retryDelay.String(), "default")
	for _, source := range plan {
		if source.What == batcher.SlotsWanted && s.dotenv.slots(flags) > 0 {
			source.From = s.dotenv.origin(dotenvBatchSize)
		}
		list = append(list, source)
	}
	return list
}

func quotedAll(list []string) []string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return quoted
}

package prompt

// runnersOwn follows the name of an option that a server takes when it loads a model.
const runnersOwn = "a row with another value than the rest would have the server load the model anew"

// reasons says of fields that OpenAI's API or Ollama's has why a row cannot have them, and what to do instead.
var reasons = map[string]string{
	"audio":              "Ollama makes no speech",
	"draft_num_predict":  runnersOwn,
	"format":             "use response_format",
	"function_call":      "it is OpenAI's old form; use tool_choice",
	"functions":          "it is OpenAI's old form; use tools",
	"keep_alive":         "the model stays loaded until the run ends",
	"logit_bias":         "Ollama does not have it",
	"main_gpu":           runnersOwn,
	"min_p":              "use options.min_p",
	"mirostat":           "Ollama does not have it any more",
	"mirostat_eta":       "Ollama does not have it any more",
	"mirostat_tau":       "Ollama does not have it any more",
	"name":               "Ollama's messages have no names; write the name into the content",
	"num_batch":          runnersOwn,
	"num_ctx":            runnersOwn + "; use --context",
	"num_gpu":            runnersOwn,
	"num_keep":           "contexts are never shifted, and so nothing is left to keep",
	"num_predict":        "use max_tokens",
	"num_thread":         runnersOwn,
	"penalize_newline":   "Ollama does not have it any more",
	"raw":                "use the url /v1/completions, whose prompts are continued as they stand",
	"repeat_last_n":      "use options.repeat_last_n",
	"repeat_penalty":     "use options.repeat_penalty",
	"repetition_penalty": "use options.repeat_penalty",
	"shift":              "an answer never pushes its own prompt out of the context",
	"stream_options":     "answers are written whole",
	"template":           "the model's own is used",
	"tfs_z":              "Ollama does not have it any more",
	"think":              "use reasoning_effort",
	"truncate":           "prompts are never cut",
	"typical_p":          "Ollama does not have it any more",
	"use_mmap":           runnersOwn,
	"web_search_options": "nothing is fetched from the net for a row",
}

// unsupportedField follows the name of a field that does not belong where it stands.
const unsupportedField = "is not supported; remove it or set it to null"

// refusal follows the name of a field that an object may not have: advice, or the reason where there is a better one.
func refusal(name, advice string) string {
	if why, known := reasons[name]; known && advice == unsupportedField {
		return "is not supported: " + why
	}
	return advice
}

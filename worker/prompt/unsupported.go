package prompt

// loadOption is the reason for options with which a server loads a model.
const loadOption = "a row with another value than the rest would have the server load the model anew"

// unsupportedReasons says, for fields of OpenAI's or Ollama's API, why rows cannot have them and what to use instead.
var unsupportedReasons = map[string]string{
	"audio":              "Ollama makes no speech",
	"draft_num_predict":  loadOption,
	"format":             "use response_format",
	"function_call":      "it is OpenAI's old form; use tool_choice",
	"functions":          "it is OpenAI's old form; use tools",
	"keep_alive":         "the model stays loaded until the run ends",
	"logit_bias":         "Ollama does not have it",
	"main_gpu":           loadOption,
	"min_p":              "use options.min_p",
	"mirostat":           "Ollama does not have it any more",
	"mirostat_eta":       "Ollama does not have it any more",
	"mirostat_tau":       "Ollama does not have it any more",
	"name":               "Ollama's messages have no names; write the name into the content",
	"num_batch":          loadOption,
	"num_ctx":            loadOption + "; use --context",
	"num_gpu":            loadOption,
	"num_keep":           "contexts are never shifted, and so nothing is left to keep",
	"num_predict":        "use max_tokens",
	"num_thread":         loadOption,
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
	"use_mmap":           loadOption,
	"web_search_options": "nothing is fetched from the net for a row",
}

// unsupportedField is the text for a field that is not allowed at its place.
const unsupportedField = "is not supported; remove it or set it to null"

// shortAdvice is the text for a field that a short row cannot have.
const shortAdvice = "is no field of a request: put your own data into metadata; if it is a column of your data, name the columns with --prompt-column or --prompt-template"

// unsupportedText returns the text for a field that is not allowed: advice, or the field's own reason if there is one.
func unsupportedText(name, advice string) string {
	why, known := unsupportedReasons[name]
	switch {
	case name == "id" && advice == shortAdvice:
		return "is no field of a row: the name of a row is custom_id, or --id-column id names this column"
	case known && (advice == unsupportedField || advice == shortAdvice):
		return "is not supported: " + why
	}
	return advice
}

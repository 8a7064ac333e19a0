package result

import (
	"path/filepath"
	"strings"
)

// Format is the shape in which all rows of an input are written together.
type Format string

// The formats. All but Lines are documents: one file, with answered and failed rows in the order of the input.
const (
	// Lines are those of OpenAI's Batch API, as runs write them: answers in one file, failures in its sibling.
	Lines Format = "openai"
	// LLMFlux is its JSON document, {"results": […]}.
	LLMFlux Format = "llmflux"
	// LLMFluxArray is what its first versions, called AI-Flux, wrote: the list alone.
	LLMFluxArray Format = "llmflux-array"
	// CSV is a table of the columns id, answer and error.
	CSV Format = "csv"
)

// linesExt ends the name of a file of lines.
const linesExt = ".jsonl"

// FormatOf tells from a file's name what is to be in it.
func FormatOf(path string) Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		return LLMFlux
	case ".csv":
		return CSV
	}
	return Lines
}

// FileOf is where the rows of an output go in a format unless somebody says otherwise: to the output itself where that is a
// name for it, else beside it.
func FileOf(output string, f Format) string {
	ext := filepath.Ext(output)
	base := strings.TrimSuffix(output, ext)
	switch {
	case f == CSV:
		return base + ".csv"
	case f != Lines:
		return base + ".json"
	case FormatOf(output) != Lines:
		return base + linesExt
	}
	return output
}

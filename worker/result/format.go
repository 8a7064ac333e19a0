package result

import (
	"path/filepath"
	"strings"
)

// Format is an output format for all rows of an input.
type Format string

// The formats. All formats except Lines are documents: one file with the answered and failed rows in the order of the
// input.
const (
	// Lines is the format of OpenAI's Batch API, which runs write: answers in one file, failures in another.
	Lines Format = "openai"
	// LLMFlux is LLMFlux's JSON document, {"results": […]}.
	LLMFlux Format = "llmflux"
	// LLMFluxArray is the format of the first LLMFlux versions, then named AI-Flux: only the list.
	LLMFluxArray Format = "llmflux-array"
	// CSV and TSV are tables with the columns of a Table.
	CSV Format = "csv"
	TSV Format = "tsv"
)

// linesExt is the extension of a file of lines.
const linesExt = ".jsonl"

// FormatOf returns the format for a file name.
func FormatOf(path string) Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		return LLMFlux
	case ".csv":
		return CSV
	case ".tsv":
		return TSV
	}
	return Lines
}

// FileOf returns the default file of an output's rows in a format: the output itself if its name fits the format,
// otherwise a file beside it.
func FileOf(output string, f Format) string {
	ext := filepath.Ext(output)
	base := strings.TrimSuffix(output, ext)
	switch {
	case f == CSV, f == TSV:
		return base + "." + string(f)
	case f != Lines:
		return base + ".json"
	case FormatOf(output) != Lines:
		return base + linesExt
	}
	return output
}

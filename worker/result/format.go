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
	// CSV, TSV, Flat and Parquet are tables with the columns of a Table. Flat has one JSON object for each line.
	CSV     Format = "csv"
	TSV     Format = "tsv"
	Flat    Format = "flat"
	Parquet Format = "parquet"
)

// IsTable reports whether the format has the columns of a Table.
func (f Format) IsTable() bool { return f == CSV || f == TSV || f == Flat || f == Parquet }

// The extensions of a file of lines, and of a flat table, whose lines are objects, too.
const (
	linesExt = ".jsonl"
	flatExt  = ".flat.jsonl"
)

// extOf returns the extension of a file's name.
func extOf(path string) string {
	if name := filepath.Base(path); len(name) > len(flatExt) && strings.EqualFold(name[len(name)-len(flatExt):], flatExt) {
		return name[len(name)-len(flatExt):]
	}
	return filepath.Ext(path)
}

// FormatOf returns the format for a file name.
func FormatOf(path string) Format {
	switch strings.ToLower(extOf(path)) {
	case flatExt:
		return Flat
	case ".parquet":
		return Parquet
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
	base := strings.TrimSuffix(output, extOf(output))
	switch {
	case f == Flat:
		return base + flatExt
	case f.IsTable():
		return base + "." + string(f)
	case f != Lines:
		return base + ".json"
	case FormatOf(output) != Lines:
		return base + linesExt
	}
	return output
}

package main

import (
	"fmt"

	"fluxworker/worker"
	"fluxworker/worker/merge"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// formatAuto chooses the format by the file name.
const formatAuto = "auto"

// chosenFormat returns the format of the flag, else of the file name.
func (f *mergeFlags) chosenFormat() result.Format {
	switch {
	case f.format != formatAuto:
		return result.Format(f.format)
	case f.c.Columns != merge.ColumnsAuto && f.named() == result.Lines:
		return result.Flat // lines have no columns
	}
	return f.named()
}

// named returns the format that the name of the target implies.
func (f *mergeFlags) named() result.Format {
	if f.c.To != "" {
		return result.FormatOf(f.c.To)
	}
	return result.FormatOf(f.c.Output)
}

func (f *mergeFlags) checkFormat() error {
	err := oneOf("format", f.format, formatAuto, string(result.Lines), string(result.LLMFlux), string(result.LLMFluxArray), string(result.CSV), string(result.TSV), string(result.Flat), string(result.Parquet))
	if err == nil && f.format == string(result.Lines) && result.FormatOf(f.c.To) != result.Lines {
		return usagef("--format %s writes lines, but %s is a name for a document; leave out --format, or name a file such as all.jsonl", f.format, f.c.To)
	}
	return err
}

// target returns the file that merge wrote.
func (f *mergeFlags) target() string {
	if f.c.To != "" {
		return f.c.To
	}
	return result.FileOf(f.c.Output, f.chosenFormat())
}

// resultsIn names the file with the results of a run. A document exists only when every row has its line. If the input is split,
// merge writes the document.
func resultsIn(c worker.Config, s record.Summary) string {
	switch {
	case result.FormatOf(c.Output) == result.Lines:
		return s.Results
	case s.Document != "":
		return s.Document
	case s.Complete && s.Shard.Count > 0:
		return fmt.Sprintf("%s, as lines; when all shards are done, merge --output %s makes one document of them", s.Results, c.Output)
	case s.Complete:
		return fmt.Sprintf("%s, as lines; %s is not written yet", s.Results, c.Output)
	}
	return fmt.Sprintf("%s, as lines; %s is written when every row has its line", s.Results, c.Output)
}

package main

import (
	"fmt"

	"fluxworker/worker"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// formatAuto has the name of the file decide.
const formatAuto = "auto"

// chosenFormat is the one that the flag or the file's name says.
func (f *mergeFlags) chosenFormat() result.Format {
	switch {
	case f.format != formatAuto:
		return result.Format(f.format)
	case f.c.To != "":
		return result.FormatOf(f.c.To)
	}
	return result.FormatOf(f.c.Output)
}

func (f *mergeFlags) checkFormat() error {
	err := oneOf("format", f.format, formatAuto, string(result.Lines), string(result.LLMFlux), string(result.LLMFluxArray), string(result.CSV))
	if err == nil && f.format == string(result.Lines) && result.FormatOf(f.c.To) != result.Lines {
		return usagef("--format %s writes lines, and %s is no name for them; leave --format out, or name a file such as all.jsonl", f.format, f.c.To)
	}
	return err
}

// target is the file that was written.
func (f *mergeFlags) target() string {
	if f.c.To != "" {
		return f.c.To
	}
	return result.FileOf(f.c.Output, f.chosenFormat())
}

// resultsIn names the file that a run's results are in. A document is there only when every row has its line, and where the
// input is split it is merge that writes it.
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

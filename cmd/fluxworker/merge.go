package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fluxworker/worker/merge"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

type mergeFlags struct {
	c           merge.Config
	maxRowBytes sizeValue
	dedupe      string
	failOn      string
	format      string
	resumeFrom  []string
}

func mergeCommand() *cobra.Command {
	var f mergeFlags
	cmd := &cobra.Command{
		Use:   "merge --input FILE --output FILE [--to FILE] [--check]",
		Short: "Join the shards of an output in the order of the input",
		Long: `merge finds all shards of an output (results.0003-of-0016.jsonl, of every split) and writes their lines in the order of the
input: answers to results.jsonl, failures to results-errors.jsonl, or to the file of --to and the file beside it. Both files
appear whole or not at all. With --to, merge also sorts the file of an output without shards.

With --format, or if the file name ends in .json, .csv, .tsv, .parquet or .flat.jsonl, it writes one document for all rows:
llmflux is LLMFlux's {"results": [...]}, llmflux-array the list alone. csv, tsv, parquet and flat are tables of the answers
beside the columns of --columns; flat has one JSON object for each line.

The custom_id identifies a row (without a custom_id, its content), so merge needs no model and no settings: only --input and
--output, and --id-column, --dedupe and --max-row-bytes if the run had these flags. merge never changes the shards, and jobs
may write to them at the same time.

While rows are missing, merge writes nothing, since half a file looks like a whole file, and reports how many rows are missing
in which shard. --partial writes the rows that have a line. --check writes nothing and is strict: it exits with 0 only if
every row of the input has exactly one answer, and every line belongs to a row.

If a row has several lines, an answer counts before a failure, and then the first shard before the others.

Exit codes:
   0  every row has an answer
   3  every row has a line, but some rows failed (--fail-on none makes it 0)
  64  usage is wrong, or the merged lines would replace another file
  65  the input or the shards cannot be read; with --check also: rows have two answers, lines belong to no row of the input
      or have the name of another row, or lines are damaged
  75  rows are missing: run the jobs again, then merge again
  84  the output cannot be written (disk full, quota, permission)`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.merge(cmd.Context()) },
	}
	cmd.Flags().SortFlags = false
	f.register(cmd.Flags())
	return cmd
}

func (f *mergeFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.c.Input, "input", "", "`FILE` with the rows, as the run had it")
	flags.StringVar(&f.c.IDColumn, "id-column", "", "as the run had it: `NAME` of the column that holds the custom_ids")
	flags.StringVar(&f.c.Output, "output", "", "`FILE` of the run's --output, without the number of a shard")
	flags.StringVar(&f.c.To, "to", "", "`FILE` for the merged rows (default: the output's own name, with the ending of the format)")
	flags.StringVar(&f.format, "format", formatAuto, "`auto|openai|llmflux|llmflux-array|csv|tsv|parquet|flat`: format of the merged rows; auto follows the name: .json is llmflux, .csv, .tsv and .parquet are tables, .flat.jsonl (and .jsonl with --columns) is a table with one object for each line, else openai")
	registerColumns(flags, &f.c.Columns)
	flags.StringArrayVar(&f.resumeFrom, "resume-from", nil, "as the run had it: result files of another split (`PATTERN` in quotes), whose answers count as well")
	flags.BoolVar(&f.c.Check, "check", false, "write nothing; exit with 0 only if every row has exactly one answer")
	flags.BoolVar(&f.c.Partial, "partial", false, "write the rows that have a line although others are missing; the exit code is still 75")
	flags.StringVar(&f.dedupe, "dedupe", dedupeError, "`first|error`, as the run had it: rows with the custom_id of an earlier row are left out (first) or count (error)")
	f.maxRowBytes = prompt.DefaultMaxRowBytes
	flags.Var(&f.maxRowBytes, "max-row-bytes", "as the run had it: rows longer than `SIZE` are error lines")
	flags.StringVar(&f.failOn, "fail-on", "rows", "`rows|none`: if some rows failed, exit with 3 (rows) or with 0 (none)")
}

func (f *mergeFlags) merge(ctx context.Context) error {
	if err := f.check(); err != nil {
		return err
	}
	f.c.Format = f.chosenFormat()
	f.c.KeepFirst, f.c.MaxRowBytes = f.dedupe == dedupeFirst, int(f.maxRowBytes)
	var err error
	if f.c.ResumeFrom, err = resumeFiles(f.resumeFrom); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, endingSignals()...)
	defer stop()
	giveUp := context.AfterFunc(ctx, stop) // a second signal ends at once
	defer giveUp()
	// The tables take 32 bytes per row and have no pointers, so a collection is cheap. The garbage should stay smaller.
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	m, err := merge.Run(ctx, f.c)
	if err != nil {
		return err
	}
	f.report(os.Stdout, m)
	return f.verdict(m)
}

func (f *mergeFlags) check() error {
	switch {
	case f.c.Input == "":
		return usagef("--input is missing: name the file with the rows")
	case f.c.Output == "":
		return usagef("--output is missing: name the file of the results, as the run has it")
	case f.c.Check && f.c.Partial:
		return usagef("--check writes nothing, and --partial writes a part of the rows: leave out one of them")
	case f.c.Check && f.c.To != "":
		return usagef("--check writes nothing: leave out --check or --to")
	case f.maxRowBytes < 1:
		return usagef("--max-row-bytes is %s; it must be at least 1", &f.maxRowBytes)
	}
	if err := oneOf("dedupe", f.dedupe, dedupeFirst, dedupeError); err != nil {
		return err
	}
	if err := f.checkFormat(); err != nil {
		return err
	}
	return oneOf("fail-on", f.failOn, "rows", "none")
}

// report prints the result, the numbers first.
func (f *mergeFlags) report(out io.Writer, m result.Merged) {
	printf(out, "%s: %d rows, %d answered, %d failed, %d missing\n", f.c.Input, m.Rows, m.Answered, m.Failed, m.Missing)
	for shard, n := range m.MissingIn {
		if n > 0 && len(m.MissingIn) > 1 {
			printf(out, "  shard %s: %d rows missing\n", result.Shard{Index: shard, Count: len(m.MissingIn)}, n)
		}
	}
	for _, row := range m.Absent {
		fmt.Fprintf(out, "  missing: line %d, custom_id %q%s\n", row.Line, row.CustomID, inShard(row.Shard))
	}
	if more := m.Missing - int64(len(m.Absent)); more > 0 {
		printf(out, "  and %d more\n", more)
	}
	for _, d := range m.Damage {
		if d.Lines > 0 {
			printf(out, "warning: %s: %d lines are damaged and were skipped, the first is line %d; the next run sets them aside\n", d.Path, d.Lines, d.First)
		}
		if d.Torn > 0 {
			printf(out, "warning: %s: its last line is incomplete (%d bytes): a run is writing it, or was killed at that point\n", d.Path, d.Torn)
		}
	}
	if m.Doubles > 0 {
		printf(out, "warning: %d rows have more than one answer, for example in %s and in %s; merge took the first\n", m.Doubles, m.DoubleIn[0], m.DoubleIn[1])
	}
	if m.Superseded > 0 {
		printf(out, "%d failures were left out: their rows have another line\n", m.Superseded)
	}
	if m.Strays > 0 {
		printf(out, "warning: %d lines belong to no row of %s and were left out; they are in %s\n", m.Strays, f.c.Input, strings.Join(m.StraysIn, ", "))
	}
	if m.Renamed > 0 {
		fmt.Fprintf(out, "warning: the lines of %d rows have the name of another row, the first is the row on line %d: the input was edited after the answer\n", m.Renamed, m.RenamedLine)
	}
	if m.Written {
		printf(out, "merged to %s\n", f.target())
	}
}

func inShard(s result.Shard) string {
	if s.Count == 0 {
		return ""
	}
	return ", shard " + s.String()
}

// otherInput describes lines that belong to no row, and the likely cause: another input, or rows with other names.
func (f *mergeFlags) otherInput(m result.Merged) string {
	return fmt.Sprintf("%d lines of %s belong to no row of %s: is it the input of the run, with the same --id-column, --dedupe and --max-row-bytes?", m.Strays, f.c.Output, f.c.Input)
}

// verdict returns the error for the exit code. A problem that another run cannot cure comes before one that it can.
func (f *mergeFlags) verdict(m result.Merged) error {
	damaged := int64(0)
	for _, d := range m.Damage {
		damaged += d.Lines
	}
	switch {
	case f.c.Check && m.Strays > 0:
		return &outcome.InputError{Err: errors.New(f.otherInput(m))}
	case f.c.Check && m.Doubles > 0:
		return &outcome.InputError{Err: fmt.Errorf("%d rows have more than one answer: the input was answered under two splits (%s and %s); merge takes the first answer; to choose yourself, remove the files of one split", m.Doubles, m.DoubleIn[0], m.DoubleIn[1])}
	case f.c.Check && m.Renamed > 0:
		return &outcome.InputError{Err: fmt.Errorf("the lines of %d rows have the name of another row, the first is the row on line %d of %s: the input was edited after the answer; run the run's command again to rename the lines, or write them under their right names with merge --to", m.Renamed, m.RenamedLine, f.c.Input)}
	case m.Missing > 0 && m.Written, m.Missing > 0 && f.c.Check:
		return fmt.Errorf("%w: %d of %d rows are missing; run the jobs again", errIncomplete, m.Missing, m.Rows)
	case m.Missing > 0:
		err := fmt.Errorf("%w: %d of %d rows are missing, so nothing was written; run the jobs again, or write the other rows with --partial", errIncomplete, m.Missing, m.Rows)
		if m.Strays > 0 {
			err = fmt.Errorf("%w; but %s", err, f.otherInput(m))
		}
		return err
	case f.c.Check && damaged > 0:
		return &outcome.InputError{Err: fmt.Errorf("%d lines of %s are damaged, but every row has its line; run the same job again to set them aside", damaged, f.c.Output)}
	case m.Failed > 0 && f.failOn == "rows":
		return errRowsFailed
	}
	return nil
}

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
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fluxworker/worker/merge"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

type mergeFlags struct {
	c           merge.Config
	maxRowBytes int64
	dedupe      string
	failOn      string
	format      string
	resumeFrom  []string
}

func mergeCommand() *cobra.Command {
	var f mergeFlags
	cmd := &cobra.Command{
		Use:   "merge --input FILE --output FILE [--to FILE] [--check]",
		Short: "Bring the shards of an output together, in the order of the input",
		Long: `merge finds all shards of an output (results.0003-of-0016.jsonl, of whichever split) and writes their lines in the order
of the input: answers to results.jsonl, failures to results-errors.jsonl, or to the file of --to and its sibling. Both
appear whole or not at all. It also puts the one file of an output without shards in order; that needs --to.

With --format, or where the file is called .json or .csv, it writes one document for all rows instead: llmflux is LLMFlux's
{"results": [...]}, llmflux-array the list alone, csv a table of id, answer and error.

Rows are told by their custom_id (without one, by their content), so no model and no settings are needed: only --input and
--output, and --id-column, --dedupe and --max-row-bytes where the run had them. The shards are never changed, and may be merged while
jobs write to them.

While rows are missing nothing is written, since half a file looks like a whole one; the command says how many are missing
and where. --partial writes what there is. --check writes nothing and is strict: it exits 0 only where every row of the
input has exactly one answer, and no line belongs to anything else.

Of several lines of one row an answer counts before a failure, else that of the first shard.

Exit codes:
   0  every row is there, with an answer
   3  every row is there, but some failed (--fail-on none makes it 0)
  64  usage is wrong, or the merged lines would replace something else
  65  the input or the shards cannot be read; with --check also: rows have two answers, lines belong to no row of the input,
      or lines are damaged
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
	flags.StringVar(&f.c.IDColumn, "id-column", "", "as the run had it: `NAME` of the column with the custom_ids")
	flags.StringVar(&f.c.Output, "output", "", "`FILE` that the run's --output names, without any shard's number")
	flags.StringVar(&f.c.To, "to", "", "`FILE` for what is merged (default: the output's own name, with the format's ending)")
	flags.StringVar(&f.format, "format", formatAuto, "`auto|openai|llmflux|llmflux-array|csv`: what is written; auto goes by the name of the file, and is openai but for .json (llmflux) and .csv")
	flags.StringArrayVar(&f.resumeFrom, "resume-from", nil, "as the run had it: result files of another split (`PATTERN` in quotes), whose answers count, too")
	flags.BoolVar(&f.c.Check, "check", false, "write nothing; exit 0 only where every row has exactly one answer")
	flags.BoolVar(&f.c.Partial, "partial", false, "write what there is although rows are missing; still exits 75 then")
	flags.StringVar(&f.dedupe, "dedupe", dedupeError, "`first|error`, as the run had it: whether rows with the custom_id of an earlier row are rows")
	flags.Int64Var(&f.maxRowBytes, "max-row-bytes", prompt.DefaultMaxRowBytes, "as the run had it: `BYTES` above which a row was too long")
	flags.StringVar(&f.failOn, "fail-on", "rows", "`rows|none`: exit 3 when some rows failed, or 0 all the same")
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
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	giveUp := context.AfterFunc(ctx, stop) // a second signal ends at once
	defer giveUp()
	// What stays is 32 bytes a row, without a pointer in it, so that collecting costs little: less than that is to be garbage.
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
		return usagef("--check writes nothing, so there is nothing to be partial: leave out --check or --partial")
	case f.c.Check && f.c.To != "":
		return usagef("--check writes nothing: leave out --check or --to")
	case f.maxRowBytes < 1:
		return usagef("--max-row-bytes is %d; it must be at least 1", f.maxRowBytes)
	}
	if err := oneOf("dedupe", f.dedupe, dedupeFirst, dedupeError); err != nil {
		return err
	}
	if err := f.checkFormat(); err != nil {
		return err
	}
	return oneOf("fail-on", f.failOn, "rows", "none")
}

// report tells what was found, the numbers first.
func (f *mergeFlags) report(out io.Writer, m result.Merged) {
	fmt.Fprintf(out, "%s: %d rows, %d answered, %d failed, %d missing\n", f.c.Input, m.Rows, m.Answered, m.Failed, m.Missing)
	for shard, n := range m.MissingIn {
		if n > 0 && len(m.MissingIn) > 1 {
			fmt.Fprintf(out, "  shard %s: %d rows missing\n", result.Shard{Index: shard, Count: len(m.MissingIn)}, n)
		}
	}
	for _, row := range m.Absent {
		fmt.Fprintf(out, "  missing: line %d, custom_id %q%s\n", row.Line, row.CustomID, inShard(row.Shard))
	}
	if more := m.Missing - int64(len(m.Absent)); more > 0 {
		fmt.Fprintf(out, "  and %d more\n", more)
	}
	for _, d := range m.Damage {
		if d.Lines > 0 {
			fmt.Fprintf(out, "warning: %s: %d lines are damaged and were passed over, the first is line %d; the next run sets them aside\n", d.Path, d.Lines, d.First)
		}
		if d.Torn > 0 {
			fmt.Fprintf(out, "warning: %s: its last line is not whole (%d bytes): a run is writing it, or was killed there\n", d.Path, d.Torn)
		}
	}
	if m.Doubles > 0 {
		fmt.Fprintf(out, "warning: %d rows have more than one answer, one for instance in %s and in %s; the first was taken\n", m.Doubles, m.DoubleIn[0], m.DoubleIn[1])
	}
	if m.Superseded > 0 {
		fmt.Fprintf(out, "%d failures were left out: their rows have another line\n", m.Superseded)
	}
	if m.Strays > 0 {
		fmt.Fprintf(out, "warning: %d lines belong to no row of %s and were left out; they are in %s\n", m.Strays, f.c.Input, strings.Join(m.StraysIn, ", "))
	}
	if m.Written {
		fmt.Fprintf(out, "merged to %s\n", f.target())
	}
}

func inShard(s result.Shard) string {
	if s.Count == 0 {
		return ""
	}
	return ", shard " + s.String()
}

// otherInput asks whether lines that belong to no row do so since the input is another one, or its rows have other names.
func (f *mergeFlags) otherInput(m result.Merged) string {
	return fmt.Sprintf("%d lines of %s belong to no row of %s: is it the input of the run, with the same --id-column, --dedupe and --max-row-bytes?", m.Strays, f.c.Output, f.c.Input)
}

// verdict is what the exit code says. What running again does not mend is told before what it does.
func (f *mergeFlags) verdict(m result.Merged) error {
	damaged := int64(0)
	for _, d := range m.Damage {
		damaged += d.Lines
	}
	switch {
	case f.c.Check && m.Strays > 0:
		return &outcome.InputError{Err: errors.New(f.otherInput(m))}
	case f.c.Check && m.Doubles > 0:
		return &outcome.InputError{Err: fmt.Errorf("%d rows have more than one answer: the input was answered under two splits (%s and %s); merge takes the first, or remove the files of one split", m.Doubles, m.DoubleIn[0], m.DoubleIn[1])}
	case m.Missing > 0 && m.Written, m.Missing > 0 && f.c.Check:
		return fmt.Errorf("%w: %d of %d rows are missing; run the jobs again to bring them", errIncomplete, m.Missing, m.Rows)
	case m.Missing > 0:
		err := fmt.Errorf("%w: %d of %d rows are missing, so nothing was written; run the jobs again to bring them, or take what there is with --partial", errIncomplete, m.Missing, m.Rows)
		if m.Strays > 0 {
			err = fmt.Errorf("%w; but %s", err, f.otherInput(m))
		}
		return err
	case f.c.Check && damaged > 0:
		return &outcome.InputError{Err: fmt.Errorf("%d lines of %s are damaged, though every row has its line; running the same job again sets them aside", damaged, f.c.Output)}
	case m.Failed > 0 && f.failOn == "rows":
		return errRowsFailed
	}
	return nil
}

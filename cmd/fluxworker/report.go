package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"fluxworker/worker/lease"
	"fluxworker/worker/outcome"
	"fluxworker/worker/report"
	"fluxworker/worker/result"
)

// maxShow is the largest sample of a report: a page with more rows is slow to open.
const maxShow = 5000

type reportFlags struct{ c report.Config }

func reportCommand() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report --output FILE [--to FILE] [--no-text]",
		Short: "Write an HTML page about an output: speed, GPUs, failures, answers",
		Long: `report writes one HTML file about an output, with all its shards: rows and tokens per second over time, the use of the GPUs,
latency, tokens, failures, attempts, settings, and a part of the rows with prompts and answers. The page needs no network, no
server and no script. The documentation (docs/report.md) explains each picture.

report only reads the output and takes no lock, so you may call it while runs write. It takes the prompts from the input, which
the run has recorded. If the input has moved, name it with --input.

The file has prompts and answers in it, and only you can read it (mode 0600). With --no-text the page has no prompts, answers,
custom_ids and messages, and others may read the file. The page still has the names of hosts, jobs, models and input files.

Exit codes: 0 if the page is written; 64 if --to names another file; 65 if there is no such output, or an input cannot be read;
75 if a signal came; 84 if the page cannot be written.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.report(cmd.Context()) },
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.c.Output, "output", "", "`FILE` of the run's --output, without the number of a shard")
	cmd.Flags().StringVar(&f.c.To, "to", "", "`FILE` for the page (default: the output's name with -report.html)")
	cmd.Flags().IntVar(&f.c.Show, "show", report.DefaultShow, "show `N` answered rows by chance, beside the longest, the shortest, the cut and the failed")
	cmd.Flags().Uint64Var(&f.c.Seed, "seed", 1, "`N` of the choice by chance: the same rows for the same seed")
	cmd.Flags().BoolVar(&f.c.NoText, "no-text", false, "leave out prompts, answers, custom_ids and messages, so that you can share the page")
	cmd.Flags().StringArrayVar(&f.c.Inputs, "input", nil, "`FILE` with the rows, if it is not where the run has read it; may be given several times")
	return cmd
}

func (f *reportFlags) report(ctx context.Context) error {
	switch {
	case f.c.Output == "":
		return usagef("--output is missing: name the file of the results, as the run has it")
	case f.c.Show < 0 || f.c.Show > maxShow:
		return usagef("--show is %d; it must be from 0 to %d", f.c.Show, maxShow)
	}
	ctx, stop := signal.NotifyContext(ctx, endingSignals()...)
	defer stop()
	f.c.Version = version()
	path, err := report.Write(ctx, f.c)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return outcome.BySignal()
	}
	if err != nil {
		return err
	}
	printf(os.Stdout, "report  %s\n", path)
	return nil
}

// stoppedReportTime is the limit for the report of a run that a signal or the job's end has stopped: SLURM kills the job soon.
const stoppedReportTime = 5 * time.Second

// writeReport writes the report at the end of a run that ended with err. Of several tasks, the last to end writes it. A failure
// is only logged: the results do not depend on the report.
func (f *runFlags) writeReport(ctx context.Context, log zerolog.Logger, s *signals, err error) {
	c := report.Config{Output: f.results.output, Show: report.DefaultShow, Seed: 1, Version: version()}
	if results, configErr := f.results.config(); configErr == nil {
		c.Mode = results.Mode
	}
	if others, ok := writing(c.Output); ok {
		log.Info().Stringer("holder", others).Msg("another task writes to this output; the last task writes the report")
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if errors.Is(err, outcome.ErrStopped) {
		ctx, cancel = context.WithTimeout(ctx, stoppedReportTime)
		defer cancel()
	} else {
		defer s.onFirst(cancel)()
	}
	path, writeErr := report.Write(ctx, c)
	if writeErr != nil {
		log.Warn().Err(writeErr).Msg(fmt.Sprintf("the report is not written; fluxworker report --output %s writes it", c.Output))
		return
	}
	printf(os.Stderr, "report  %s\n", path)
}

// writing returns the holder of a part of the output that a living run writes to.
func writing(output string) (lease.Holder, bool) {
	parts, err := result.Parts(output)
	if err != nil {
		return lease.Holder{}, false
	}
	for _, p := range parts {
		lock, err := p.Paths.Lock()
		if err == nil && lock != nil && lock.Held && lock.Gone == "" && time.Since(lock.Beat) < lease.DefaultStale {
			return lock.Holder, true
		}
	}
	return lease.Holder{}, false
}

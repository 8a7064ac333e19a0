package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"fluxworker/worker/input"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
	"fluxworker/worker/tokens"
)

// shownProblems is the number of bad rows that validate prints. It counts the others.
const shownProblems = 50

func validateCommand() *cobra.Command {
	var f requestFlags
	var show int
	cmd := &cobra.Command{
		Use:   "validate --model NAME --input FILE",
		Short: "Check input and configuration, without GPU and server",
		Long: `validate reads the whole input as run would, with the flags of run for input, model and request, and lists the rows that would
become error lines.
It also estimates how many tokens the rows need.
It exits with 0 if every row can be asked, 65 if some rows cannot, and 64 if the configuration is wrong.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return validate(&f, show, cmd) },
	}
	cmd.Flags().SortFlags = false
	cmd.SetUsageFunc(groupedUsage)
	f.register(cmd.Flags())
	cmd.Flags().IntVar(&show, "show", 0, "print the requests of the first `N` rows that can be asked: messages, images, tools, and the form of the answer")
	return cmd
}

func validate(f *requestFlags, show int, cmd *cobra.Command) error {
	if err := f.needInput(); err != nil {
		return err
	}
	log := zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr, NoColor: true, PartsExclude: []string{"time"}, FormatPrepare: escapedFields})
	warnOfUnknown(log, cmd.Root())
	s, err := f.resolve(cmd.Flags(), log)
	if err != nil {
		return err
	}
	in := input.Input{
		Path: f.input, Layout: s.layout, MaxRowBytes: int(f.maxRowBytes), Defaults: s.defaults, KeepFirst: f.dedupe == dedupeFirst,
	}
	source, rows, err := in.Open(result.Shard{})
	if err != nil {
		return err
	}
	defer source.Close()
	good, bad := 0, 0
	need, estimate, shared := new(tokens.Demand), tokens.NewEstimator(), tokens.NewSharing()
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return &outcome.InputError{Err: err}
		}
		if row.Reject == nil {
			if good++; good <= show {
				showRequest(os.Stdout, &row)
			}
			need.Add(estimate.AtMost(tokens.Weigh(&row.Request)) + min(tokens.Answer(&row.Request), tokens.LikelyAnswer))
			shared.Add(&row.Request)
			continue
		}
		if bad++; bad <= shownProblems {
			printf(os.Stdout, "%s:%d: %s: %s\n", f.input, row.Line, row.Reject.Code, row.Reject.Message)
		}
	}
	if bad > shownProblems {
		printf(os.Stdout, "… and %d more\n", bad-shownProblems)
	}
	printf(os.Stdout, "%s: %d rows can be asked, %d cannot; model %s\n", f.input, good, bad, s.defaults.Model)
	if good > 0 {
		printf(os.Stdout, "half of the rows need at most %d tokens of context, all but 1 %% at most %d, the longest %d (prompt estimated without the model, and max_tokens)\n",
			need.At(0.5), need.At(0.99), need.Max())
	}
	if text := shared.String(); text != "" {
		printf(os.Stdout, "%s\n", text)
	}
	for _, remark := range rows.Remarks() {
		printf(os.Stdout, "%s\n", remark)
	}
	if n := rows.DuplicatesSkipped(); n > 0 {
		printf(os.Stdout, "%d rows are left out: an earlier row has the same custom_id (--dedupe first)\n", n)
	}
	if n, example := source.SkippedFiles(); n > 0 {
		printf(os.Stdout, "files skipped, since their names are neither those of texts nor of images: %d (%s, for example)\n", n, example)
	}
	switch {
	case good+bad == 0:
		return &outcome.InputError{Err: fmt.Errorf("read %s: it holds no rows (%s)", f.input, prompt.CodeEmptyFile)}
	case bad > 0:
		return &outcome.InputError{Err: fmt.Errorf("%s: %d of %d rows cannot be asked", f.input, bad, good+bad)}
	}
	return nil
}

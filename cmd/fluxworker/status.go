package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"fluxworker/worker/lease"
	"fluxworker/worker/record"
	"fluxworker/worker/status"
)

type statusFlags struct {
	output string
	asJSON bool
	watch  bool
}

func statusCommand() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status --output FILE [--watch | --json]",
		Short: "Show the progress of the runs into an output",
		Long: fmt.Sprintf(`status shows for each shard of an output the rows that are done and failed, the rate, the time left, and the job that holds
the shard. You may call it at any time and from any node: it only reads, and takes no lock.

  waiting   no run has started the shard
  running   a run holds the shard
  finished  the last run has dealt with every row, and has written the document if --output names one
  stopped   the last run ended early; the last column has the reason
  killed    the last run was killed, or its node is cut off: its lock has had no heartbeat for %s

A ~ marks a number that is estimated until a run has read the whole input. Rates are from the records of the running jobs
within the last half minute. Heartbeats are file times: the clock of this machine should be about right.

With --watch, the table stays on the terminal and shows the present state every two seconds, until every shard is finished or
you type q or Ctrl-C. LEFT says whether the rows end before the job. In a narrow or low window the most important columns and
shards stay. If standard output is no terminal, --watch prints a line for each change, at most one in ten seconds.

Exit codes: 0 if every shard is finished, with or without failed rows; 75 if not; 65 if there is no such output.`, lease.DefaultStale),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.status(cmd.Context()) },
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.output, "output", "", "`FILE` of the run's --output, without the number of a shard")
	cmd.Flags().BoolVar(&f.watch, "watch", false, "show the progress until every shard is finished; q or Ctrl-C ends the view")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print the progress as JSON")
	return cmd
}

func (f *statusFlags) status(ctx context.Context) error {
	switch {
	case f.output == "":
		return usagef("--output is missing: name the file of the results, as the run does")
	case f.watch && f.asJSON:
		return usagef("--watch and --json exclude each other; a program calls status --json again and again")
	case f.watch:
		return watch(ctx, status.NewReader(f.output).Read)
	}
	s, err := status.Of(f.output)
	if err != nil {
		return err
	}
	if f.asJSON {
		err = json.NewEncoder(jsonEscaper{os.Stdout}).Encode(s)
	} else {
		err = printStatus(os.Stdout, s)
	}
	if err != nil {
		return fmt.Errorf("print status: %w", err)
	}
	if !s.Complete {
		return errUnfinished
	}
	return nil
}

func printStatus(out io.Writer, s status.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SHARD\tSTATE\tDONE\tFAILED\tROWS\tROWS/S\tLEFT\tATTEMPTS\tHELD BY\tSEEN\tLAST OUTCOME")
	finished := 0
	for _, one := range s.Shards {
		if one.State == status.Finished {
			finished++
		}
		holder, seen := "-", "-"
		if h := one.Holder; h != nil {
			holder, seen = holderOf(h), seconds(h.HeartbeatAge)+" ago"
		}
		printf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", or(one.Shard, "(all)"), one.State, rowStatus(one.RowStatus),
			one.Attempts, holder, seen, lastOutcome(one))
	}
	if len(s.Shards) > 1 {
		printf(w, "total\t%d/%d finished\t%s\n", finished, len(s.Shards), rowStatus(s.Total))
	}
	return w.Flush()
}

// rowStatus formats done, failed, rows, rate and time left as cells of a table.
func rowStatus(r status.RowStatus) own {
	rows, rate, left := or(rowCount(r), "-"), "-", "-"
	if r.RowsPerSecond > 0 {
		rate = fmt.Sprintf("%.1f", r.RowsPerSecond)
	}
	if r.SecondsLeft > 0 {
		left = seconds(r.SecondsLeft)
	}
	return own(fmt.Sprintf("%d\t%d\t%s\t%s\t%s", r.OK, r.Failed, rows, rate, left))
}

// rowCount formats the number of rows of the input; "" where it is not known.
func rowCount(r status.RowStatus) string {
	switch {
	case r.Rows == 0:
		return ""
	case r.Estimated:
		return fmt.Sprintf("~%d", r.Rows)
	}
	return fmt.Sprint(r.Rows)
}

func holderOf(h *status.Holder) string {
	if h.Job != "" {
		return fmt.Sprintf("job %s on %s", h.Job, h.Host)
	}
	return fmt.Sprintf("process %d on %s", h.PID, h.Host)
}

func seconds(s float64) string {
	return (time.Duration(s*float64(time.Second)) + time.Second/2).Truncate(time.Second).String()
}

// lastOutcome returns the outcome of a shard's last attempt for people. The record of an attempt that was killed still says that
// the attempt runs.
func lastOutcome(s status.ShardStatus) string {
	if s.State == status.Killed && s.LastOutcome == record.Running {
		return "-"
	}
	return or(s.LastOutcome, "-")
}

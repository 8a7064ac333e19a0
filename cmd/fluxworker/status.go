package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"fluxworker/worker/lease"
	"fluxworker/worker/status"
)

type statusFlags struct {
	output string
	asJSON bool
}

func statusCommand() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status --output FILE [--json]",
		Short: "Tell how far the runs into an output are",
		Long: fmt.Sprintf(`status tells for each shard of an output how many rows are done and failed, how fast they come, how long the rest takes,
and which job has it. It may be asked at any time and from any node: it only reads, and takes no lock.

  waiting   no run has begun the shard
  running   a run holds it
  finished  its last run has dealt with every row, and written the document where --output names one
  stopped   its last run ended early; the last column says why
  killed    its last run ended without a word, or its node is cut off: its lock has shown no sign of life for %s

Rows marked ~ are estimated until a run has read the input to its end. Rates are what the running jobs noted within the
last half minute. Signs of life are file times against the clock of this machine, which has to be about right.

Exit codes: 0 when every shard is finished, whether or not rows failed; 75 when not; 65 when there is no such output.`, lease.DefaultStale),
		RunE: func(*cobra.Command, []string) error { return f.status() },
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.output, "output", "", "`FILE` that the run's --output names, without any shard's number")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print it as JSON")
	return cmd
}

func (f *statusFlags) status() error {
	if f.output == "" {
		return usagef("--output is missing: name the file of the results, as the run has it")
	}
	s, err := status.Of(f.output)
	if err != nil {
		return err
	}
	if f.asJSON {
		err = json.NewEncoder(os.Stdout).Encode(s)
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
			holder = fmt.Sprintf("process %d on %s", h.PID, h.Host)
			if h.Job != "" {
				holder = fmt.Sprintf("job %s on %s", h.Job, h.Host)
			}
			seen = seconds(h.HeartbeatAge) + " ago"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", or(one.Shard, "(all)"), one.State, rowStatus(one.RowStatus),
			one.Attempts, holder, seen, or(one.LastOutcome, "-"))
	}
	if len(s.Shards) > 1 {
		fmt.Fprintf(w, "total\t%d/%d finished\t%s\n", finished, len(s.Shards), rowStatus(s.Total))
	}
	return w.Flush()
}

// rowStatus is done, failed, rows, rate and time left, in cells of a table.
func rowStatus(r status.RowStatus) string {
	rows, rate, left := "-", "-", "-"
	if r.Rows > 0 {
		rows = fmt.Sprint(r.Rows)
		if r.Estimated {
			rows = "~" + rows
		}
	}
	if r.RowsPerSecond > 0 {
		rate = fmt.Sprintf("%.1f", r.RowsPerSecond)
	}
	if r.SecondsLeft > 0 {
		left = seconds(r.SecondsLeft)
	}
	return fmt.Sprintf("%d\t%d\t%s\t%s\t%s", r.OK, r.Failed, rows, rate, left)
}

func seconds(s float64) string {
	return (time.Duration(s*float64(time.Second)) + time.Second/2).Truncate(time.Second).String()
}

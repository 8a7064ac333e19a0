package resume

import (
	"context"

	"fluxworker/worker/record"
)

// overwrite drops all lines, the document, and the records of earlier runs.
func (e *Earlier) overwrite(intake context.Context) error {
	e.before = nil
	if e.done.Len() > 0 {
		if err := e.drop(intake, func(bool) bool { return true }, "earlier results are dropped (--overwrite)"); err != nil {
			return err
		}
	}
	if err := e.dropDocument(); err != nil { // also the document of an output without lines
		return err
	}
	return record.Forget(e.config.Paths)
}

// goesOnOverwriting reports whether the output holds the lines of an earlier run with --overwrite that did not come to its end:
// an earlier start of the same job by SLURM, or a run with the same input, model and settings. A user who runs the same command
// again wants the rest of the rows.
func (e *Earlier) goesOnOverwriting(intake context.Context) (bool, error) {
	last, err := record.LastAttempt(e.config.Paths)
	if err != nil || e.done.Len() == 0 || !last.Overwrite || last.Outcome == record.Complete {
		return false, err
	}
	if !e.startedAgainBySLURM(last) {
		if e.before == nil || !e.before.Input.Same(e.config.Found) || len(e.before.Requests.Differences(e.config.Requests)) > 0 {
			return false, nil
		}
		if changed, err := e.modelChanged(intake); err != nil || changed != nil {
			return false, err
		}
	}
	e.log.Info().Int64("lines", e.done.Len()).Str("output", e.config.Paths.Results).
		Msg("the run before had --overwrite, too, and did not come to its end: this run goes on with its lines; remove the output to start anew")
	return true, nil
}

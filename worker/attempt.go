package worker

import (
	"errors"
	"time"

	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// attempt calls answer, and writes the record of this attempt and the summary over all attempts.
func (r *run) attempt(started time.Time, m record.Manifest, answer func() error) (record.Summary, error) {
	earlier, aside, err := record.TakeAttempts(r.paths)
	if err != nil {
		r.output.Close()
		return record.Summary{}, err
	}
	if len(aside) > 0 {
		r.log.Warn().Strs("moved_to", aside).Msg("records of earlier attempts are damaged and set aside: the totals of the summary lack them")
	}
	a, err := record.Begin(r.paths, earlier, m, record.Attempt{
		Job: r.config.Place.name(), Restart: r.config.Place.Job.Restarts, Overwrite: r.config.Results.Overwrite,
	})
	if err != nil {
		r.output.Close()
		return record.Summary{}, err
	}
	stopObserving := r.observe(a, started)
	stopRecording := r.recordProgress(a, started)
	err = answer()
	stopRecording()
	stopObserving()
	// If both failed, the error of the log is the cause: its writer ended first.
	if closeErr := r.output.Close(); closeErr != nil {
		err = closeErr
	}
	s := r.summary(started)
	if err == nil && s.Rows() == 0 && r.counters.InputRows() == 0 { // a shard of a small input may have no row
		err = outcome.EmptyInput(r.config.Input)
	}
	s.Complete = err == nil && !r.config.Trial.given()
	a.Summary = s
	a.Count(r.counters)
	a.End(err)
	if a.Outcome == record.Tried {
		r.log.Info().Msg(record.Tried)
	}
	answered, failed := r.earlier.Lines()
	s.Total = record.TotalOf(earlier, s, answered+s.OK, failed+s.Failed)
	r.observer.writeMetrics(s, true)
	return s, errors.Join(err, r.writeRecords(a, s, err))
}

// summary returns the summary of the attempt so far.
func (r *run) summary(started time.Time) record.Summary {
	answered, failed := r.output.Durable()
	s := r.counters.Summarize(started, answered, failed)
	s.InFlight, s.Results, s.Errors, s.Shard = r.rows.InFlight(), r.paths.Results, r.paths.Errors, r.shard
	if shared := r.rows.SharedPrefixes(); shared.Groups > 0 {
		s.Shared = &shared
	}
	s.Latency = r.rows.Latency()
	s.Use(r.observer.gpuUses(), r.config.CarbonIntensity)
	return s
}

// recordProgress writes the record of the attempt every record.ProgressEvery. stop ends the writes and waits for their end.
func (r *run) recordProgress(a record.Attempt, started time.Time) (stop func()) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(record.ProgressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				a.Summary = r.summary(started)
				a.Count(r.counters)
				if err := a.Write(r.paths); err != nil {
					r.log.Debug().Err(err).Msg("the attempt's record could not be written") // the write at the end returns such an error
				}
			case <-stopped:
				return
			}
		}
	}()
	return func() { close(stopped); <-ended }
}

// writeRecords writes the records at the end of the attempt, which ended with err. It writes nothing to an output that
// another run has taken over. It returns a failed write only if err is nil.
func (r *run) writeRecords(a record.Attempt, s record.Summary, err error) error {
	if errors.Is(err, result.ErrHeld) {
		return nil
	}
	writeErr := a.Write(r.paths)
	if writeErr == nil {
		writeErr = r.paths.WriteJSON(record.SummaryFile, s)
	}
	if err != nil {
		return nil // the attempt's own error is the cause
	}
	return writeErr
}

// amendOutcome replaces the outcome of the attempt's record by the error of its document, so that the output does not count as
// finished. A failed write is only logged: the run ends with the error of the document.
func (r *run) amendOutcome(err error) {
	a, readErr := record.LastAttempt(r.paths)
	if readErr != nil || a.Number == 0 {
		return
	}
	a.End(err)
	if writeErr := a.Write(r.paths); writeErr != nil {
		r.log.Warn().Err(writeErr).Msg("the attempt's record is not amended")
	}
}

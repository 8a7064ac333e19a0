package worker

import (
	"errors"
	"time"

	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// attempt runs the rows and keeps the records of that: this attempt's own, and the summary over all.
func (r *run) attempt(started time.Time, m record.Manifest, answer func() ([]record.GPUUse, error)) (record.Summary, error) {
	earlier, err := record.ReadAttempts(r.paths)
	if err != nil {
		r.output.Close()
		return record.Summary{}, err
	}
	a, err := record.Begin(r.paths, earlier, m, r.config.Place.name(), r.config.Place.Job.Restarts)
	if err != nil {
		r.output.Close()
		return record.Summary{}, err
	}
	stopRecording := r.recordProgress(a, started)
	gpus, err := answer()
	stopRecording()
	// The log's own error is the cause where both failed: its writer ended first.
	if closeErr := r.output.Close(); closeErr != nil {
		err = closeErr
	}
	s := r.summary(started)
	s.GPUs = gpus
	if err == nil && s.Rows() == 0 && r.counters.InputRows() == 0 { // a shard of a small input may have none
		err = outcome.EmptyInput(r.config.Input)
	}
	s.Complete = err == nil
	a.Summary = s
	a.Count(r.counters)
	a.End(err)
	if errors.Is(err, outcome.ErrStopped) && r.config.Results.Overwrite {
		r.log.Warn().Msg("leave --overwrite off to go on: with it, the next run drops what is answered now")
	}
	answered, failed := r.earlier.Lines()
	s.Total = record.TotalOf(earlier, s, answered+s.OK, failed+s.Failed)
	return s, errors.Join(err, r.writeRecords(a, s, err))
}

// summary returns what the attempt has done so far.
func (r *run) summary(started time.Time) record.Summary {
	answered, failed := r.output.Durable()
	s := r.counters.Summarize(started, answered, failed)
	s.InFlight, s.Results, s.Errors, s.Shard = r.rows.InFlight(), r.paths.Results, r.paths.Errors, r.shard
	return s
}

// recordProgress writes now and then how far the attempt is. The returned function ends that and waits for it.
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
					r.log.Debug().Err(err).Msg("the attempt's record could not be written") // the end says so again
				}
			case <-stopped:
				return
			}
		}
	}()
	return func() { close(stopped); <-ended }
}

// writeRecords writes what is known at the end. An output that another run has taken over is not ours to write to.
func (r *run) writeRecords(a record.Attempt, s record.Summary, err error) error {
	if errors.Is(err, result.ErrHeld) {
		return nil
	}
	writeErr := a.Write(r.paths)
	if writeErr == nil {
		writeErr = r.paths.WriteJSON(record.SummaryFile, s)
	}
	if err != nil {
		return nil // that is the news
	}
	return writeErr
}

// amendOutcome writes into the attempt's record that its document is not there, so that the output is not taken for finished.
// Where that fails, too, the run says so all the same: its error is the news.
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

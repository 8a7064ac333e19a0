package worker

import (
	"fmt"
	"path/filepath"
	"strconv"

	"fluxworker/worker/metrics"
	"fluxworker/worker/outcome"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// checkMetricsFile returns an error if the run could not write its metrics. Error: ConfigError.
func (c Config) checkMetricsFile(paths result.Paths) error {
	if c.MetricsFile == "" {
		return nil
	}
	if paths.Contains(c.MetricsFile) {
		return &outcome.ConfigError{Err: fmt.Errorf("metrics file %s is a file of the output; choose another --metrics-file", c.MetricsFile)}
	}
	if err := metrics.Check(c.MetricsFile); err != nil {
		return &outcome.ConfigError{Err: fmt.Errorf("metrics file %s (--metrics-file) cannot be written: %w", c.MetricsFile, err)}
	}
	return nil
}

// writeMetrics writes the metrics file, where the user wants one. A failed write is logged once, and later writes are tried: the
// cause may be gone by then.
func (o *observer) writeMetrics(s record.Summary, ended bool) {
	c := o.run.config
	if c.MetricsFile == "" {
		return
	}
	now := o.moment("", "")
	err := metrics.Write(c.MetricsFile, metrics.State{
		Labels: o.labels, Version: c.Version, Model: c.Defaults.Model, Attempt: o.attempt, Rows: o.run.counters.Progress().Total,
		Restarts: o.restarts.Load(), Now: now, Summary: s, Ended: ended,
	})
	if err != nil && !o.metricsFailed {
		o.metricsFailed = true
		o.run.log.Warn().Str("file", c.MetricsFile).Err(err).Msg("the metrics file is not written; the rows are not affected")
	}
}

// metricLabels returns the labels of the run's metrics.
func (r *run) metricLabels(host string) metrics.Labels {
	l := metrics.Labels{Output: filepath.Base(r.config.Output), Host: host}
	if r.shard.Count > 0 {
		l.Shard = r.shard.String()
	}
	job := r.config.Place.Job
	if job.Inside() {
		l.Job = strconv.FormatInt(job.ID, 10)
	}
	if job.InArray() {
		l.Job, l.Array = strconv.FormatInt(job.Array.JobID, 10), strconv.Itoa(job.Array.Task)
	}
	return l
}

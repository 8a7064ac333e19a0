package worker

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"fluxworker/worker/fleet"
	"fluxworker/worker/metrics"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// observer records what a run does over time: the series of the run folder, and the metrics file where the user wants one. A failed
// write never ends the run: the observer logs it once. Each attempt has one observer; its methods are safe for concurrent use.
type observer struct {
	run      *run
	started  time.Time
	attempt  int
	labels   metrics.Labels
	restarts atomic.Int64                   // of servers
	gpus     atomic.Pointer[fleet.GPUWatch] // nil before the first server starts
	events   chan record.Moment

	// Only the goroutine of observe uses these.
	series        *record.Series // nil after a failed write
	metricsFailed bool
}

// maxWaitingEvents is the number of events that may wait for a slow disk before their senders wait, too.
const maxWaitingEvents = 64

// observe begins the series and the metrics file of an attempt. stop appends the end of the attempt, and waits until the writes
// have ended.
func (r *run) observe(a record.Attempt, started time.Time) (stop func()) {
	o := &observer{run: r, started: started, attempt: a.Number, labels: r.metricLabels(a.Host), events: make(chan record.Moment, maxWaitingEvents)}
	var err error
	if o.series, err = record.OpenSeries(r.paths, a.Number); err != nil {
		o.logUnwritten(err)
	}
	r.observer = o
	o.note(record.EventStart, "")
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		o.record(stopped)
	}()
	return func() { close(stopped); <-ended }
}

// note records an event. detail describes it for people, and must not have text of prompts or answers.
func (o *observer) note(e record.Event, detail string) {
	if e == record.EventRestart {
		o.restarts.Add(1)
	}
	o.events <- o.moment(e, detail)
}

// noteServing records that the servers of a pass are ready. Their traffic begins after it.
func (o *observer) noteServing(servers []*fleet.Server) {
	m := o.moment(record.EventServing, fmt.Sprintf("servers: %d", len(servers)))
	for _, s := range servers {
		m.Slots += s.Slots()
		m.Context = s.Context()
	}
	o.events <- m
}

// record writes moments and metrics until stopped is closed.
func (o *observer) record(stopped <-chan struct{}) {
	period := record.SeriesPeriod
	tick := time.NewTicker(period)
	defer tick.Stop()
	refresh := time.NewTicker(metrics.Every)
	defer refresh.Stop()
	o.writeMetrics(o.run.summary(o.started), false)
	for {
		select {
		case m := <-o.events:
			o.append(m)
		case <-tick.C:
			o.append(o.moment("", ""))
		case <-refresh.C:
			o.writeMetrics(o.run.summary(o.started), false)
		case <-stopped:
			o.end()
			return
		}
		if o.series != nil && o.series.Period() != period {
			period = o.series.Period()
			tick.Reset(period)
		}
	}
}

// end appends the last events, whose senders have ended, and the end of the attempt.
func (o *observer) end() {
	for len(o.events) > 0 {
		o.append(<-o.events)
	}
	o.append(o.moment(record.EventEnd, ""))
	if o.series == nil {
		return
	}
	if err := o.series.Close(); err != nil {
		o.logUnwritten(err)
	}
}

// append appends a moment to the series, unless another run has taken the output over.
func (o *observer) append(m record.Moment) {
	if o.series == nil || o.isTakenOver() {
		return
	}
	if err := o.series.Append(m); err != nil {
		o.logUnwritten(err)
		o.series.Close() // the failed write is the cause
		o.series = nil
	}
}

// isTakenOver reports whether another run has taken the output over.
func (o *observer) isTakenOver() bool {
	select {
	case <-o.run.output.Failed():
		return errors.Is(o.run.output.Err(), result.ErrHeld)
	default:
		return false
	}
}

// logUnwritten logs that the series ends early.
func (o *observer) logUnwritten(err error) {
	o.run.log.Warn().Err(err).Msg("the series of this attempt is not written any further; the rows are not affected")
}

// moment returns the present state of the run.
func (o *observer) moment(e record.Event, detail string) record.Moment {
	m := o.run.counters.Moment()
	traffic := o.run.rows.Traffic()
	m.At, m.Event, m.Detail = time.Now(), e, detail
	m.InFlight, m.Slots, m.Context = traffic.InFlight, traffic.Slots, traffic.Context
	if w := o.gpus.Load(); w != nil {
		m.GPUs = w.Moments()
	}
	return m
}

// gpuUses returns the use of the GPUs so far; nil without GPUs.
func (o *observer) gpuUses() []record.GPUUse {
	if w := o.gpus.Load(); w != nil {
		return w.Uses()
	}
	return nil
}

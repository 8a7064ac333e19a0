package worker

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"fluxworker/worker/contextfit"
	"fluxworker/worker/dispatch"
	"fluxworker/worker/lease"
	"fluxworker/worker/merge"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
	"fluxworker/worker/plan"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
	"fluxworker/worker/resume"
)

// run holds the parts of one run. Each part owns its own state; a run's fields do not change once the rows are asked.
type run struct {
	config   Config
	paths    result.Paths
	shard    result.Shard // zero for all of the input
	deadline Deadline
	log      zerolog.Logger

	output   *result.Log
	earlier  *resume.Earlier
	counters *record.Counters
	recorder *record.Recorder
	sink     *sink
	fit      *contextfit.Fit // nil where the context does not follow from the rows
	rows     *dispatch.Dispatcher
	observer *observer
}

// Run answers the rows of the input that have no line yet. When the caller closes drain, after the first signal, rows in flight
// may finish within the grace. When ctx ends, after the second signal, everything ends at once. Run updates the counters while
// it works.
//
// The summary is valid with and without an error. Errors: ErrStopped; ConfigError and InputError; those of result for the
// output, of plan for the GPUs and the memory, and of fleet and ollama for the servers.
func Run(ctx context.Context, c Config, log zerolog.Logger, drain <-chan struct{}, counters *record.Counters) (record.Summary, error) {
	started := time.Now()
	intake, wait := newIntake(ctx, drain)
	defer wait()

	c.Place = c.Place.complete(intake, log)
	shard, err := resume.Shard(c.Output, c.Results.Mode, c.Place.Shard, c.Place.ShardBlock, c.Place.Job)
	if err != nil {
		return record.Summary{}, err
	}
	r := &run{config: c, shard: shard, deadline: c.Place.deadline(), log: log, counters: counters}
	r.logPlace()
	if r.paths, err = c.paths(shard); err != nil {
		return record.Summary{}, err
	}
	if err := c.checkMetricsFile(r.paths); err != nil {
		return record.Summary{}, err
	}
	in, err := openIntake(intake, c.Rows(), shard, c.Trial)
	if err != nil {
		return record.Summary{}, err
	}
	if err := merge.CheckColumns(c.Results.Columns, in.rows); err != nil { // the table comes last, and its error would come after hours
		in.source.Close()
		return record.Summary{}, err
	}
	in.logPassedOver(log)
	counters.Expect(in.source.Size(), c.Trial.Limit, r.lastRow())
	m := record.NewManifest(c.Version, started, in.found, record.RequestsOf(c.Defaults, in.rows.Layout(), c.MaxRowBytes))
	if err := r.openOutput(intake, m); err != nil {
		in.source.Close()
		return record.Summary{}, r.stoppedOr(intake, err)
	}
	defer r.output.Release()
	summary, err := r.attempt(started, m, func() error { return r.answer(ctx, intake, in) })
	if err == nil {
		if summary.Document, err = r.writeDocument(ctx, intake); err != nil {
			r.amendOutcome(err)
		}
	}
	return summary, err
}

// logPlace logs this run's part of the input and the job's end.
func (r *run) logPlace() {
	if r.shard.Count > 0 {
		r.log.Info().Stringer("shard", r.shard).Stringer("place", r.config.Place.Job).Msg("this task's part of the input")
	}
	if !r.deadline.At.IsZero() {
		r.log.Info().Time("deadline", r.deadline.At).Str("from", r.deadline.Source).Msg("the job's end is known")
	}
}

// openOutput takes the lock of the output, logs repairs, reconciles the lines with this run, and makes the parts of the run
// that need the output. With an error the output is closed.
func (r *run) openOutput(intake context.Context, m record.Manifest) (err error) {
	if r.shard.Count == 0 { // otherwise resume.Shard has claimed it
		if err := resume.Claim(r.paths); err != nil {
			return err
		}
	}
	c := r.config
	r.output, err = result.Open(intake, result.Options{
		Paths: r.paths, SyncEvery: c.Results.SyncEvery, SyncBytes: c.Results.SyncBytes, Stale: c.Results.LockStale,
		Self: lease.Self(c.Place.name(), c.Place.Job.Restarts),
		OnWait: func(h lease.Holder) {
			r.log.Warn().Stringer("holder", h).Stringer("longest", cmp.Or(c.Results.LockStale, lease.DefaultStale)).
				Msg("the output is held by another run; waiting for it to end")
		},
	})
	if err != nil {
		return err
	}
	result.RemoveLeftovers(r.paths.Run, contextfit.SpoolPrefix)
	r.logRepairs()
	if err := r.logLost(); err != nil {
		r.output.Close()
		r.output.Release()
		return err
	}
	inspect := func(ctx context.Context) (ollama.Info, error) { return r.inspector().Inspect(ctx) }
	r.earlier, err = resume.Reconcile(intake, c.resume(r.paths, r.shard, m, inspect), r.output, r.log)
	if err != nil {
		r.output.Close()
		r.output.Release()
		return err
	}
	r.sink = &sink{output: r.output, counters: r.counters, log: r.log}
	r.recorder = record.NewRecorder(r.paths, m)
	var deferrer dispatch.Deferrer // a nil interface, not an interface with a nil *Fit
	if c.fitsContext() {
		r.fit = contextfit.New(contextfit.Config{Planner: r.planner(), Shard: r.shard, Found: m.Input, Folder: r.paths.Run}, r.recorder, r.counters, r.log)
		deferrer = r.fit
	}
	r.rows = dispatch.New(c.dispatch(), r.log, r.sink, deferrer)
	return nil
}

// planner returns the planner of the servers, which learns from the last run into the output.
func (r *run) planner() plan.Planner {
	p := r.config.Planner()
	p.Last = r.earlier.Manifest()
	return p
}

// logLost logs that the results are gone, if an earlier run recorded answers in them. The records alone do not say whether the
// user removed the file in order to start anew, so the run goes on.
func (r *run) logLost() error {
	if answered, _ := r.output.Done().Lines(); answered > 0 || r.config.Results.Overwrite {
		return nil
	}
	attempts, err := record.ReadAttempts(r.paths)
	if err != nil {
		return err
	}
	if n := record.Recorded(attempts); n > 0 {
		r.log.Warn().Str("file", r.paths.Results).Int64("answers", n).
			Msg("the results have no line, and an earlier run wrote answers to them: the file was removed, moved or emptied; every row without a line is asked again. If you moved the file, stop this run, put the file back, and run the same command again")
	}
	return nil
}

// logRepairs logs the repairs of the output after an earlier run was killed.
func (r *run) logRepairs() {
	for _, m := range r.output.Repairs() {
		e := r.log.Warn().Str("file", m.Path)
		if m.Torn > 0 {
			e = e.Int64("torn_bytes_cut", m.Torn)
		}
		if m.Aside != "" {
			e = e.Int64("damaged_lines", m.Damaged).Int64("repeated_lines", m.Duplicates).Str("moved_to", m.Aside)
		}
		e.Msg("an earlier run was cut off in the middle of writing; rows whose lines were damaged are asked again")
	}
}

// stoppedOr returns a StoppedError if err comes from the end of intake, and otherwise err.
func (r *run) stoppedOr(intake context.Context, err error) error {
	if intake.Err() != nil && errors.Is(err, context.Canceled) {
		return outcome.Stopped(intake)
	}
	return err
}

// answer runs the reader, the servers and the watches until every row is handled or the run is stopped. Errors: those of Run.
func (r *run) answer(ctx, intake context.Context, in *reading) error {
	g, ctx := errgroup.WithContext(ctx)
	requests, abort := context.WithCancel(ctx)
	defer abort()
	intake, stopIntake := context.WithCancelCause(intake)
	defer stopIntake(nil)
	release := context.AfterFunc(ctx, func() { stopIntake(context.Cause(ctx)) }) // a failure of one part ends the others
	defer release()

	finished := make(chan struct{})
	queue := dispatch.NewQueue(r.config.Order)
	g.Go(func() error { r.deadline.watch(intake, r.config.Grace, r.rows.P95, r.log, stopIntake); return nil })
	g.Go(func() error { r.boundDrain(ctx, intake, finished, abort); return nil })
	g.Go(func() error { return r.read(intake, in, queue) })
	g.Go(func() error {
		err := r.serve(intake, requests, queue)
		close(finished)
		stopIntake(nil) // no server takes the rows that the reader may still have
		return err
	})
	err := g.Wait()
	undone, undoneErr := r.rows.Undone()
	early, isEarly := errors.AsType[*outcome.StoppedError](context.Cause(intake))
	switch {
	case err != nil:
		return err
	case isEarly && (!r.counters.AllRead() || r.counters.Unanswered() > undone):
		return early // more rows are unanswered than servers gave up: the early end is the cause
	case undoneErr != nil:
		return undoneErr
	case !r.counters.AllRead() || r.counters.Unanswered() > 0:
		return outcome.Stopped(intake)
	}
	return nil
}

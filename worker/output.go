package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"fluxworker/worker/lease"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// outputPaths checks that the results have a place of their own.
func (c Config) outputPaths(shard result.Shard) (result.Paths, error) {
	paths, err := result.PathsOf(c.Output, shard)
	if err != nil {
		return paths, &ConfigError{Err: err}
	}
	paths.Mode = c.Results.Mode
	if paths.Contain(c.Input) {
		of := ""
		if paths.Document != "" {
			of = " of " + paths.Document + " (as lines, in " + paths.Results + ")"
		}
		return paths, &ConfigError{Err: fmt.Errorf("input %s is where the results%s would go; choose another --output", c.Input, of)}
	}
	if err := outsideInput(c.Input, c.Output, "--output"); err != nil {
		return paths, err
	}
	return paths, c.checkDocument(paths)
}

// openOutput takes the output for this run and tells what was mended in it.
func (r *run) openOutput(intake context.Context) (err error) {
	if r.shard.Count == 0 { // else it was claimed when the split was settled
		if err := claim(r.paths); err != nil {
			return err
		}
	}
	r.output, err = result.Open(intake, result.Options{
		Paths: r.paths, SyncEvery: r.Results.SyncEvery, SyncBytes: r.Results.SyncBytes, Stale: r.Results.LockStale,
		Self: lease.Self(r.Place.name(), r.Place.Job.Restarts),
		OnWait: func(h lease.Holder) {
			r.log.Warn().Stringer("holder", h).Stringer("longest", cmp.Or(r.Results.LockStale, lease.DefaultStale)).Msg("the output is held by another run; waiting for it to end")
		},
	})
	if err != nil {
		return err
	}
	result.RemoveLeft(r.paths.Run, spoolPrefix)
	r.done = r.output.Done()
	for _, m := range r.output.Repairs() {
		e := r.log.Warn().Str("file", m.Path)
		if m.Torn > 0 {
			e = e.Int64("torn_bytes_cut", m.Torn)
		}
		if m.Aside != "" {
			e = e.Int64("damaged_lines", m.Damaged).Int64("repeated_lines", m.Twice).Str("moved_to", m.Aside)
		}
		e.Msg("an earlier run was cut off in the middle of writing; rows whose lines were damaged are asked again")
	}
	return nil
}

// readElsewhere learns what other files have answered.
func (r *run) readElsewhere(intake context.Context) error {
	var others []string
	for _, path := range r.Results.ResumeFrom {
		if !r.paths.Contain(path) {
			others = append(others, path)
		}
	}
	var err error
	r.elsewhere, err = result.ReadAnswered(intake, others)
	switch {
	case err != nil && intake.Err() != nil:
		return stopped(intake)
	case err != nil:
		return &InputError{Err: fmt.Errorf("--resume-from: %w", err)}
	}
	if len(others) > 0 {
		r.log.Info().Int("files", len(others)).Int64("answers", r.elsewhere.Len()).Msg("rows that are answered there are not asked again")
	}
	return err
}

// settle brings what is in the output into line with what is asked now: it stops where that would mix answers, or drops
// the lines of rows that are to be asked again.
func (r *run) settle(intake context.Context) error {
	if err := r.readElsewhere(intake); err != nil {
		return err
	}
	if r.Results.Overwrite {
		return r.overwrite(intake)
	}
	if r.done.Len() == 0 {
		return nil
	}
	var err error
	if r.before, err = readManifest(r.paths); err != nil {
		return err
	}
	switch r.Results.OnChange {
	case ChangeKeeps:
	case ChangeReruns:
		err = r.dropChanged(intake)
	default:
		err = r.refuseChanges(intake)
	}
	if err != nil || !r.Results.RetryFailed {
		return err
	}
	return r.dropFailed(intake)
}

// dropFailed drops the failures, once, as overwrite does everything.
func (r *run) dropFailed(intake context.Context) error {
	again, err := r.startedAgainBySLURM()
	if err != nil || again {
		return err
	}
	return r.drop(intake, func(_ prompt.Key, failed bool) bool { return failed }, "rows that failed are asked again")
}

// startedAgainBySLURM tells whether this is the job that made the output's last lines, requeued.
func (r *run) startedAgainBySLURM() (bool, error) {
	last, err := lastAttempt(r.paths)
	return err == nil && r.Place.Job.Inside() && last.Job == r.Place.name() && last.Restart < r.Place.Job.Restarts, err
}

// overwrite drops everything, once: a job that SLURM starts again with the same command goes on with what it has.
func (r *run) overwrite(intake context.Context) error {
	again, err := r.startedAgainBySLURM()
	if err != nil {
		return err
	}
	if again {
		r.log.Info().Str("job", r.Place.name()).Int("restart", r.Place.Job.Restarts).
			Msg("SLURM started this job again: its earlier results stay, --overwrite was for the first start")
		return nil
	}
	err = r.drop(intake, func(prompt.Key, bool) bool { return true }, "earlier results are dropped (--overwrite)")
	if err != nil {
		return err
	}
	if err := r.dropDocument(); err != nil { // also that of an output whose lines are gone
		return err
	}
	return forget(r.paths)
}

func (r *run) drop(intake context.Context, drop func(k prompt.Key, failed bool) bool, why string) error {
	n, err := r.output.Drop(intake, drop)
	if n > 0 {
		r.log.Info().Int64("lines", n).Msg(why)
		err = errors.Join(err, r.dropDocument())
	}
	return err
}

// refuseChanges ends a run whose answers would not go with those that are there. Rows are looked at only where the input
// is another file than before; a changed row is found in any case when it is read.
func (r *run) refuseChanges(intake context.Context) error {
	if r.before == nil {
		return nil
	}
	if differences := r.before.Requests.differences(r.manifest.Requests); len(differences) > 0 {
		return &ConfigError{Err: fmt.Errorf("output %s was made with other settings (%s); %s", r.paths.Results, list(differences), changeChoices)}
	}
	if r.before.Input.same(r.manifest.Input) || !isFile(r.Input) {
		return nil
	}
	c, err := r.compare(intake)
	if err != nil {
		return err
	}
	if c.firstChanged != nil {
		return c.firstChanged
	}
	answered, failed := r.done.Lines()
	absent := answered + failed - c.matched
	if r.Results.RetryFailed { // these are about to be dropped in any case
		absent = answered - (c.matched - c.failed)
	}
	if absent > 0 {
		return &InputError{Err: fmt.Errorf("read %s: it is not the input that output %s was made from (%s, %s): %d of the output's %d lines belong to rows that it does not have; %s",
			r.Input, r.paths.Results, r.before.Input.Path, r.before.Input.size(), absent, r.done.Len(), changeChoices)}
	}
	return nil
}

// changeChoices are the ways out of a changed input or setting.
const changeChoices = "use the same again, choose another --output, or say what is to become of the lines that are there: " +
	"--on-change rerun asks again what has changed, --on-change keep leaves them as they are, --overwrite drops them all"

// dropChanged drops each line that its row would not get today: rows that changed, and rows that are there no more. Where
// the model's own files changed, that is every line.
func (r *run) dropChanged(intake context.Context) error {
	if !isFile(r.Input) {
		return &ConfigError{Err: fmt.Errorf("--on-change rerun reads the input twice, which %q does not allow; write it to a file first", r.Input)}
	}
	changed, err := r.modelChanged(intake)
	if err != nil {
		return err
	}
	if changed != nil {
		r.log.Warn().Err(changed).Msg("every row is asked again")
		return r.drop(intake, func(prompt.Key, bool) bool { return true }, "the model has changed (--on-change rerun)")
	}
	c, err := r.compare(intake)
	if err != nil {
		return err
	}
	if c.matched == r.done.Len() {
		return nil
	}
	return r.drop(intake, func(k prompt.Key, _ bool) bool { return !c.same.Has(k) }, "rows have changed since (--on-change rerun)")
}

// modelChanged asks Ollama whether the model is still the one that gave the answers which are there.
func (r *run) modelChanged(intake context.Context) (changed, _ error) {
	if r.before == nil || r.before.Server.Digest == "" || r.before.Requests.Model != r.manifest.Requests.Model {
		return nil, nil // with another name, the keys tell
	}
	info, err := r.Look(intake, r.log, r.paths.In(serverLog(0)))
	if err != nil {
		return nil, err
	}
	return r.before.otherModel(info), nil
}

// sameModel looks whether the lines that are there come from the model that is about to be asked.
func (r *run) sameModel(info ollama.Info) error {
	changed := r.before.otherModel(info)
	if changed == nil || r.done.Len() == 0 {
		return nil
	}
	if r.Results.OnChange == ChangeKeeps {
		r.log.Warn().Err(changed).Msg("the output will hold answers of both (--on-change keep)")
		return nil
	}
	return &ConfigError{Err: fmt.Errorf("output %s: %w; %s", r.paths.Results, changed, changeChoices)}
}

// comparison is the input against the lines that are there.
type comparison struct {
	same         *result.Marks // lines that their rows would get again
	matched      int64         // how many these are
	failed       int64         // and of them failures
	firstChanged error         // names the first row whose line is for another request
}

// compare reads the input once, for the keys of its rows alone.
func (r *run) compare(intake context.Context) (comparison, error) {
	c := comparison{same: r.done.NewMarks()}
	source, rows, err := OpenRows(r.Input, r.readerOptions(r.shard))
	if err != nil {
		return c, err
	}
	defer source.Close()
	for {
		if intake.Err() != nil {
			return c, stopped(intake)
		}
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return c, &InputError{Err: err}
		}
		switch r.done.State(row.Key) {
		case result.Failed:
			c.failed++
			fallthrough
		case result.Answered:
			c.same.Add(row.Key)
			c.matched++
		case result.ChangedFailed:
			if r.Results.RetryFailed {
				continue
			}
			fallthrough
		case result.Changed:
			if c.firstChanged == nil {
				c.firstChanged = r.changedRow(row)
			}
		}
	}
}

// changedRow is the error of a row that would get a second line.
func (r *run) changedRow(row prompt.Row) error {
	return &InputError{Err: fmt.Errorf("read %s:%d: row %q has a line from an earlier run, but it asks for something else now; %s",
		r.Input, row.Line, row.CustomID, changeChoices)}
}

// isFile tells whether the input can be read more than once.
func isFile(input string) bool {
	info, err := os.Stat(input)
	return input != prompt.Stdin && err == nil && (info.Mode().IsRegular() || info.IsDir())
}

// Package resume finds out what earlier runs left in an output, and decides for each row what is still to do.
//
// Invariants: the lines are the truth, and no record is needed to resume; a row that has its line is not asked again, unless the
// user said so; a run never mixes answers of other settings, another input or another model into an output without being
// told to; lines are dropped before the first row is asked, in one step.
package resume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/rs/zerolog"

	"fluxworker/worker/input"
	"fluxworker/worker/ollama"
	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// OnChange says what becomes of an output whose rows would be asked for something else now.
type OnChange string

// The choices.
const (
	ChangeStops  OnChange = "stop"  // say what differs, and end
	ChangeReruns OnChange = "rerun" // drop the lines that the rows of today would not get, and ask those rows again
	ChangeKeeps  OnChange = "keep"  // leave the lines as they are, and ask only rows that have none
)

// Config says what becomes of the lines that are there, and what is asked now.
type Config struct {
	OnChange    OnChange
	ResumeFrom  []string // result files of other splits of the input: rows that are answered there are not asked again
	Overwrite   bool     // drop what is there
	RetryFailed bool     // drop the failures that are there

	Paths    result.Paths
	Input    input.Input
	Shard    result.Shard
	Found    record.InputFile // the input as it is now
	Requests record.Requests  // the settings as they are now
	Job      string           // this task's name; empty outside of SLURM
	Restarts int              // how often SLURM has started this job again
	// Inspect asks Ollama about the model.
	Inspect func(ctx context.Context) (ollama.Info, error)
}

// Earlier is what earlier runs left.
type Earlier struct {
	config    Config
	log       zerolog.Logger
	output    *result.Log
	done      *result.Done
	elsewhere *result.Done     // rows that other files have answered
	before    *record.Manifest // of an earlier run into the same output; nil without one
}

// Reconcile brings what is in the output into line with what is asked now: it stops where that would mix answers, or drops
// the lines of rows that are to be asked again. Errors: ConfigError, InputError, result.WriteError, or StoppedError when the
// context ended.
func Reconcile(intake context.Context, c Config, output *result.Log, log zerolog.Logger) (*Earlier, error) {
	e := &Earlier{config: c, log: log, output: output, done: output.Done()}
	return e, e.reconcile(intake)
}

// readElsewhere learns what other files have answered.
func (e *Earlier) readElsewhere(intake context.Context) error {
	var others []string
	for _, path := range e.config.ResumeFrom {
		if !e.config.Paths.Contain(path) {
			others = append(others, path)
		}
	}
	var err error
	e.elsewhere, err = result.ReadAnswered(intake, others)
	switch {
	case err != nil && intake.Err() != nil:
		return outcome.Stopped(intake)
	case err != nil:
		return &outcome.InputError{Err: fmt.Errorf("--resume-from: %w", err)}
	}
	if len(others) > 0 {
		e.log.Info().Int("files", len(others)).Int64("answers", e.elsewhere.Len()).Msg("rows that are answered there are not asked again")
	}
	return err
}

func (e *Earlier) reconcile(intake context.Context) error {
	if err := e.readElsewhere(intake); err != nil {
		return err
	}
	if e.config.Overwrite {
		return e.overwrite(intake)
	}
	if e.done.Len() == 0 {
		return nil
	}
	var err error
	if e.before, err = record.ReadManifest(e.config.Paths); err != nil {
		return err
	}
	switch e.config.OnChange {
	case ChangeKeeps:
	case ChangeReruns:
		err = e.dropChanged(intake)
	default:
		err = e.refuseChanges(intake)
	}
	if err != nil || !e.config.RetryFailed {
		return err
	}
	return e.dropFailed(intake)
}

// dropFailed drops the failures, once, as overwrite does everything.
func (e *Earlier) dropFailed(intake context.Context) error {
	again, err := e.startedAgainBySLURM()
	if err != nil || again {
		return err
	}
	return e.drop(intake, func(_ prompt.Key, failed bool) bool { return failed }, "rows that failed are asked again")
}

// startedAgainBySLURM reports whether this is the job that made the output's last lines, requeued.
func (e *Earlier) startedAgainBySLURM() (bool, error) {
	last, err := record.LastAttempt(e.config.Paths)
	return err == nil && e.config.Job != "" && last.Job == e.config.Job && last.Restart < e.config.Restarts, err
}

// overwrite drops everything, once: a job that SLURM starts again with the same command goes on with what it has.
func (e *Earlier) overwrite(intake context.Context) error {
	again, err := e.startedAgainBySLURM()
	if err != nil {
		return err
	}
	if again {
		e.log.Info().Str("job", e.config.Job).Int("restart", e.config.Restarts).
			Msg("SLURM started this job again: its earlier results stay, --overwrite was for the first start")
		return nil
	}
	err = e.drop(intake, func(prompt.Key, bool) bool { return true }, "earlier results are dropped (--overwrite)")
	if err != nil {
		return err
	}
	if err := e.dropDocument(); err != nil { // also that of an output whose lines are gone
		return err
	}
	return record.Forget(e.config.Paths)
}

func (e *Earlier) drop(intake context.Context, drop func(k prompt.Key, failed bool) bool, why string) error {
	n, err := e.output.Drop(intake, drop)
	if n > 0 {
		e.log.Info().Int64("lines", n).Msg(why)
		err = errors.Join(err, e.dropDocument())
	}
	return err
}

// refuseChanges ends a run whose answers would not go with those that are there. Rows are looked at only where the input
// is another file than before; a changed row is found in any case when it is read.
func (e *Earlier) refuseChanges(intake context.Context) error {
	if e.before == nil {
		return nil
	}
	if differences := e.before.Requests.Differences(e.config.Requests); len(differences) > 0 {
		return &outcome.ConfigError{Err: fmt.Errorf("output %s was made with other settings (%s); %s", e.config.Paths.Results, strings.Join(differences, ", "), changeChoices)}
	}
	if e.before.Input.Same(e.config.Found) || !e.config.Input.Rereadable() {
		return nil
	}
	c, err := e.compare(intake)
	if err != nil {
		return err
	}
	if c.firstChanged != nil {
		return c.firstChanged
	}
	answered, failed := e.done.Lines()
	absent := answered + failed - c.matched
	if e.config.RetryFailed { // these are about to be dropped in any case
		absent = answered - (c.matched - c.failed)
	}
	if absent > 0 {
		return &outcome.InputError{Err: fmt.Errorf("read %s: it is not the input that output %s was made from (%s, %s): %d of the output's %d lines belong to rows that it does not have; %s",
			e.config.Input.Path, e.config.Paths.Results, e.before.Input.Path, e.before.Input.Size(), absent, e.done.Len(), changeChoices)}
	}
	return nil
}

// changeChoices are the ways out of a changed input or setting.
const changeChoices = "use the same again, choose another --output, or say what is to become of the lines that are there: " +
	"--on-change rerun asks again what has changed, --on-change keep leaves them as they are, --overwrite drops them all"

// dropChanged drops each line that its row would not get today: rows that changed, and rows that are there no more. Where
// the model's own files changed, that is every line.
func (e *Earlier) dropChanged(intake context.Context) error {
	if !e.config.Input.Rereadable() {
		return &outcome.ConfigError{Err: fmt.Errorf("--on-change rerun reads the input twice, which %q does not allow; write it to a file first", e.config.Input.Path)}
	}
	changed, err := e.modelChanged(intake)
	if err != nil {
		return err
	}
	if changed != nil {
		e.log.Warn().Err(changed).Msg("every row is asked again")
		return e.drop(intake, func(prompt.Key, bool) bool { return true }, "the model has changed (--on-change rerun)")
	}
	c, err := e.compare(intake)
	if err != nil {
		return err
	}
	if c.matched == e.done.Len() {
		return nil
	}
	return e.drop(intake, func(k prompt.Key, _ bool) bool { return !c.same.Has(k) }, "rows have changed since (--on-change rerun)")
}

// modelChanged asks Ollama whether the model is still the one that gave the answers which are there.
func (e *Earlier) modelChanged(intake context.Context) (changed, _ error) {
	if e.before == nil || e.before.Server.Digest == "" || e.before.Requests.Model != e.config.Requests.Model {
		return nil, nil // with another name, the keys tell
	}
	info, err := e.config.Inspect(intake)
	if err != nil {
		return nil, err
	}
	return e.before.OtherModel(info), nil
}

// SameModel returns an error where the lines that are there come from other files of the model that is about to be asked.
func (e *Earlier) SameModel(info ollama.Info) error {
	changed := e.before.OtherModel(info)
	if changed == nil || e.done.Len() == 0 {
		return nil
	}
	if e.config.OnChange == ChangeKeeps {
		e.log.Warn().Err(changed).Msg("the output will hold answers of both (--on-change keep)")
		return nil
	}
	return &outcome.ConfigError{Err: fmt.Errorf("output %s: %w; %s", e.config.Paths.Results, changed, changeChoices)}
}

// dropDocument removes the document of lines that are dropped: should the run be stopped, nobody takes its rows for those of
// the new lines. Something else than a document stays until one is written.
func (e *Earlier) dropDocument() error {
	d := result.Document{Path: e.config.Paths.Document}
	if d.Path == "" || d.Replaceable() != nil {
		return nil
	}
	if err := os.Remove(d.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &result.WriteError{Path: d.Path, Err: err}
	}
	return nil
}

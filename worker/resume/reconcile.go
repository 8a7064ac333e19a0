// Package resume compares a run with the lines that earlier runs left in its output, and decides for each row whether it is
// asked.
//
// Invariants: the lines are the truth, and resuming needs no record; a row with a line is not asked again unless the user
// asked for it; a run never mixes answers of different settings, inputs or models in one output unless the user asked for it;
// lines are dropped before the first row is asked, by one atomic rewrite of each file.
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
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// OnChange is the choice for an output whose settings, input or model differ from those of the run.
type OnChange string

// The choices.
const (
	ChangeStops  OnChange = "stop"  // name the difference, and end
	ChangeReruns OnChange = "rerun" // drop the lines of rows that changed or are gone, and ask the changed rows again
	ChangeKeeps  OnChange = "keep"  // keep the lines, and ask only rows without a line
)

// Config holds the user's choices about the lines in the output, and the input and the settings of this run.
type Config struct {
	OnChange    OnChange
	ResumeFrom  []string // result files of other splits of the input: rows with an answer there are not asked again
	Overwrite   bool     // drop all lines
	RetryFailed bool     // drop the error lines

	Paths    result.Paths
	Input    input.Input
	Shard    result.Shard
	Found    record.InputFile // the input at the start of this run
	Requests record.Requests  // the settings of this run
	Job      string           // the name of this task; "" outside of SLURM
	Restarts int              // restarts of this job by SLURM so far
	// Inspect asks Ollama about the model.
	Inspect func(ctx context.Context) (ollama.Info, error)
}

// Earlier holds the lines and the manifest of earlier runs.
type Earlier struct {
	config    Config
	log       zerolog.Logger
	output    *result.Log
	done      *result.Done
	elsewhere *result.Done     // rows with an answer in a file of ResumeFrom
	before    *record.Manifest // of an earlier run into the same output; nil without one
}

// Manifest returns the manifest of the last run into the output; nil without one.
func (e *Earlier) Manifest() *record.Manifest { return e.before }

// Reconcile compares the output with this run. It returns an error where the run would mix answers, or drops the lines of
// rows that are to be asked again. Errors: ConfigError, InputError, result.WriteError, StoppedError when the context ended;
// those of Config.Inspect.
func Reconcile(intake context.Context, c Config, output *result.Log, log zerolog.Logger) (*Earlier, error) {
	e := &Earlier{config: c, log: log, output: output, done: output.Done()}
	return e, e.reconcile(intake)
}

// readElsewhere reads which rows the files of ResumeFrom have answered.
func (e *Earlier) readElsewhere(intake context.Context) error {
	var others []string
	for _, path := range e.config.ResumeFrom {
		if !e.config.Paths.Contains(path) {
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
		e.log.Info().Int("files", len(others)).Int64("answers", e.elsewhere.Len()).Msg("rows with an answer in the files of --resume-from are not asked again")
	}
	return err
}

// reconcile does the work of Reconcile.
func (e *Earlier) reconcile(intake context.Context) error {
	if err := e.readElsewhere(intake); err != nil {
		return err
	}
	var err error
	var aside string
	if e.before, aside, err = record.TakeManifest(e.config.Paths); err != nil {
		return err
	}
	if aside != "" {
		e.log.Warn().Str("moved_to", aside).Msg("the manifest of the earlier runs is damaged and set aside: a model that changed under the same name cannot be noticed; a row that changed is noticed by its line")
	}
	if e.config.Overwrite {
		goesOn, err := e.goesOnOverwriting(intake)
		if err != nil {
			return err
		}
		if !goesOn {
			return e.overwrite(intake)
		}
	}
	if e.done.Len() == 0 {
		return nil
	}
	switch e.config.OnChange {
	case ChangeKeeps:
		err = e.keepLines(intake)
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

// dropFailed drops the error lines, once: a job that SLURM starts again with the same command does not drop them again.
func (e *Earlier) dropFailed(intake context.Context) error {
	if _, failed := e.done.Lines(); failed == 0 {
		return nil
	}
	last, err := record.LastAttempt(e.config.Paths)
	if err != nil || e.startedAgainBySLURM(last) {
		return err
	}
	return e.drop(intake, func(failed bool) bool { return failed }, "rows that failed are asked again")
}

// startedAgainBySLURM reports whether the last attempt was an earlier start of this same job, which SLURM has requeued.
func (e *Earlier) startedAgainBySLURM(last record.Attempt) bool {
	return e.config.Job != "" && last.Job == e.config.Job && last.Restart < e.config.Restarts
}

// changeChoices names the remedies for a changed input, model or setting.
const changeChoices = "use the same input, model and settings again, choose another --output, or decide about the lines in the output: " +
	"--on-change rerun asks changed rows again, --on-change keep keeps the lines, --overwrite drops all lines"

// refuseChanges returns an error if the run would mix answers of different settings or inputs, and otherwise gives the lines of
// rows that have moved their new names. It compares rows only where the input is another file than before; the reader finds a
// changed row of the same file. Errors: ConfigError, InputError, StoppedError, result.WriteError.
func (e *Earlier) refuseChanges(intake context.Context) error {
	if e.before != nil {
		if differences := e.before.Requests.Differences(e.config.Requests); len(differences) > 0 {
			return &outcome.ConfigError{Err: fmt.Errorf("output %s was made with other settings (%s); %s", e.config.Paths.Results, strings.Join(differences, ", "), changeChoices)}
		}
	}
	if !e.inputDiffers() {
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
	if e.config.RetryFailed { // dropFailed drops the error lines in any case
		absent = answered - (c.matched - c.failed)
	}
	if absent > 0 {
		from := ""
		if e.before != nil {
			from = fmt.Sprintf(" (%s, %s)", e.before.Input.Path, e.before.Input.Size())
		}
		return &outcome.InputError{Err: fmt.Errorf("read %s: it is not the input that output %s was made from%s: %d of the output's %d lines belong to rows that it does not have; %s",
			e.config.Input.Path, e.config.Paths.Results, from, absent, e.done.Len(), changeChoices)}
	}
	return e.restate(intake, c, keepGone)
}

// keepLines gives the lines of rows that have moved their new names. Errors: those of refuseChanges.
func (e *Earlier) keepLines(intake context.Context) error {
	if !e.inputDiffers() {
		return nil
	}
	c, err := e.compare(intake)
	if err != nil {
		return err
	}
	return e.restate(intake, c, keepGone)
}

// dropChanged drops the lines of rows that changed or are gone. If the files of the model changed, it drops every line.
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
		return e.drop(intake, func(bool) bool { return true }, "the model has changed (--on-change rerun)")
	}
	c, err := e.compare(intake)
	if err != nil {
		return err
	}
	return e.restate(intake, c, dropGone)
}

// modelChanged asks Ollama for the model, and returns changed if its files differ from those that gave the answers in the
// output.
func (e *Earlier) modelChanged(intake context.Context) (changed, _ error) {
	if e.before == nil || e.before.Server.Digest == "" || e.before.Requests.Model != e.config.Requests.Model {
		return nil, nil // another name of the model changes the keys of all rows
	}
	info, err := e.config.Inspect(intake)
	if err != nil {
		return nil, err
	}
	return e.before.OtherModel(info), nil
}

// SameModel returns a ConfigError if the lines in the output come from other files of the model, unless OnChange is
// ChangeKeeps.
func (e *Earlier) SameModel(info ollama.Info) error {
	changed := e.before.OtherModel(info)
	if changed == nil || e.done.Len() == 0 {
		return nil
	}
	if e.config.OnChange == ChangeKeeps {
		e.log.Warn().Err(changed).Msg("the output will have answers of both models (--on-change keep)")
		return nil
	}
	return &outcome.ConfigError{Err: fmt.Errorf("output %s: %w; %s", e.config.Paths.Results, changed, changeChoices)}
}

// dropDocument removes the document of dropped lines: if the run is stopped, its rows must not be taken for those of the new
// lines. A file that is not a document stays. Errors: result.WriteError.
func (e *Earlier) dropDocument() error {
	d := result.Document{Path: e.config.Paths.Document}
	if d.Path == "" || d.CheckReplaceable() != nil {
		return nil
	}
	if err := os.Remove(d.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &result.WriteError{Path: d.Path, Err: err}
	}
	return nil
}

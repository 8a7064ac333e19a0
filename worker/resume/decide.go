package resume

import (
	"fmt"

	"fluxworker/worker/outcome"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// Decision says whether a row is asked.
type Decision int

// The decisions.
const (
	Ask        Decision = iota // the row has no line
	Skip                       // the row has its answer
	SkipFailed                 // the row has its error line
)

// Decide decides about a row. elsewhere reports that a file of ResumeFrom has the answer. Error: InputError for a row that has
// a line for another request, unless OnChange is ChangeKeeps.
func (e *Earlier) Decide(row prompt.Row) (d Decision, elsewhere bool, _ error) {
	keep := e.config.OnChange == ChangeKeeps
	state := e.done.State(row.Key)
	if err := e.checkName(row, state); err != nil {
		return Ask, false, err
	}
	switch {
	case state == result.Answered, state == result.Changed && keep:
		return Skip, false, nil
	case state == result.Failed, state == result.ChangedFailed && keep:
		return SkipFailed, false, nil
	case state == result.Changed, state == result.ChangedFailed:
		return Ask, false, e.changedRow(row)
	}
	switch state := e.elsewhere.State(row.Key); {
	case state == result.Answered, state == result.Changed && keep:
		return Skip, true, nil
	case state == result.Changed:
		return Ask, false, &outcome.InputError{Err: fmt.Errorf("read %s:%d: row %q has an answer in a file of --resume-from, but it asks for something else now; leave that file out, or use --on-change keep to keep the answer",
			e.config.Input.Path, row.Line, row.CustomID)}
	}
	return Ask, false, nil
}

// checkName returns an InputError if the row without custom_id and another row would have the same name in the output. Reconcile
// has renamed lines, but only of an input that can be read twice and has another size or time than before.
func (e *Earlier) checkName(row prompt.Row, state result.State) error {
	number := prompt.ImpliedLine(row.CustomID)
	if number == 0 || !row.OwnsName() {
		return nil
	}
	var was string
	if state != result.New {
		name, ok := e.done.HasName(row)
		if ok {
			return nil
		}
		was = fmt.Sprintf("was %s when its line was written", name)
	} else if !e.done.UsesName(number) {
		return nil
	} else {
		was = fmt.Sprintf("is new, and the output has a line of another row with the name %s", row.CustomID)
	}
	way := "--on-change rerun renames the lines"
	if !e.config.Input.Rereadable() {
		way = "write the input to a file, and the same command with this file renames the lines"
	}
	return &outcome.InputError{Err: fmt.Errorf("read %s:%d: the input was edited: the row %s; %s", e.config.Input.Path, row.Line, was, way)}
}

// IsNew reports whether the row with this key has no line in the output.
func (e *Earlier) IsNew(k prompt.Key) bool { return e.done.State(k) == result.New }

// Lines returns the numbers of lines of earlier runs in the output.
func (e *Earlier) Lines() (answered, failed int64) { return e.done.Lines() }

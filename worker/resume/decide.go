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
	switch state := e.done.State(row.Key); {
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

// IsNew reports whether the row with this key has no line in the output.
func (e *Earlier) IsNew(k prompt.Key) bool { return e.done.State(k) == result.New }

// Lines returns the numbers of lines of earlier runs in the output.
func (e *Earlier) Lines() (answered, failed int64) { return e.done.Lines() }

package resume

import (
	"context"
	"encoding/hex"

	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// gone says what becomes of lines whose rows are not in the input, or ask for something else.
type gone int

const (
	dropGone gone = iota // drop them
	keepGone             // keep them; but a row that is not in the input has no error, and its implied name belongs to another row
)

// inputDiffers reports whether the input may be another than that of the lines, and can be compared with them.
func (e *Earlier) inputDiffers() bool {
	return e.config.Input.Rereadable() && (e.before == nil || !e.before.Input.Same(e.config.Found))
}

// restate gives each line the name and the place that its row has in the input now. It drops the error lines of rows that
// cannot be asked: their messages name other lines of the input, so the reader writes these lines anew.
func (e *Earlier) restate(intake context.Context, c comparison, rest gone) error {
	others := e.done.Len() - c.matched
	if rest == keepGone {
		others = e.done.Len() - c.found
	}
	if others == 0 && c.rewritten == 0 && c.moved.Len() == 0 {
		return nil
	}
	outdated := int64(0)
	renamed, err := e.edit(intake, func(k prompt.Key, failed bool) result.Edit {
		switch {
		case failed && c.rejected.Has(k):
			return result.Edit{Drop: true}
		case rest == dropGone && !c.same.Has(k):
			outdated++
			return result.Edit{Drop: true}
		case rest == keepGone && !c.present.Has(k) && failed:
			return result.Edit{Drop: true}
		case rest == keepGone && !c.present.Has(k) && e.done.HasImpliedName(k):
			return result.Edit{CustomID: goneName(k)}
		}
		return c.moved.Edit(k)
	})
	if outdated > 0 {
		e.log.Info().Int64("lines", outdated).Msg("lines of rows that have changed or are gone are dropped (--on-change rerun)")
	}
	if renamed > 0 {
		e.log.Warn().Int64("lines", renamed).Str("input", e.config.Input.Path).
			Msg("rows without custom_id have moved in the input: their lines in the output have the new names now")
	}
	return err
}

// goneName returns the custom_id of a line whose row had no custom_id and is gone from the input.
func goneName(k prompt.Key) string {
	name := k.Name()
	return "gone-" + hex.EncodeToString(name[:])
}

// drop drops the lines for which drop holds, and logs why.
func (e *Earlier) drop(intake context.Context, drop func(failed bool) bool, why string) error {
	dropped := int64(0)
	_, err := e.edit(intake, func(_ prompt.Key, failed bool) result.Edit {
		if drop(failed) {
			dropped++
		}
		return result.Edit{Drop: drop(failed)}
	})
	if dropped > 0 {
		e.log.Info().Int64("lines", dropped).Msg(why)
	}
	return err
}

// edit removes the document, and then changes the lines. A document must never stand beside lines that it does not show. It
// returns the number of renamed lines.
func (e *Earlier) edit(intake context.Context, edit func(k prompt.Key, failed bool) result.Edit) (renamed int64, _ error) {
	if err := e.dropDocument(); err != nil {
		return 0, err
	}
	return e.output.Edit(intake, edit)
}

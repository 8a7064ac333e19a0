package worker

import (
	"fmt"
	"sync/atomic"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/tokens"
)

// fit has the servers' context follow from what the rows take. Rows are answered in passes: the first has the context that
// suits most of them, and those that need more wait for the next, which has a longer one. Only with the longest context that
// the model and the memory allow is a row too long. A nil fit does nothing: the context is the one that the user wants.
type fit struct {
	ahead    tokens.Sample // the rows that were read until the first context was chosen
	begun    atomic.Bool   // it is
	sample   tokens.Sample // of the rows that are to be asked, by which it was
	estimate *tokens.Estimator

	counts bool         // the server tells how many tokens a prompt has that it refuses
	asked  atomic.Int64 // rows that were answered or cut
	cut    atomic.Int64 // of them those whose answer reached the context's end

	// These change only between the passes.
	context int            // of this pass
	served  int            // the longest with which servers were ready
	limit   int            // the longest that is possible
	because string         // what sets the limit, for people
	waiting *waiting       // rows for the next pass
	demand  *tokens.Demand // of this pass's rows, from the second on
	number  int            // of the pass, from 1
}

// look takes a row that was read into the sample for as long as the context is not chosen.
func (f *fit) look(row *prompt.Row) {
	if f != nil && !f.begun.Load() {
		f.ahead.Add(&row.Request)
	}
}

// note learns from an answer.
func (f *fit) note(row *prompt.Row, a *ollama.Answer) {
	if f == nil {
		return
	}
	f.asked.Add(1)
	if e := row.Request.Embedding; e != nil && len(e.Input) > 1 {
		return // counted are all of its texts together, weighed is the longest
	}
	f.estimate.Note(tokens.Weigh(&row.Request), a.PromptTokens)
}

// noteRefused learns from a row that was too long.
func (f *fit) noteRefused(row *prompt.Row, refused *ollama.RequestError) {
	if refused.PromptTokens > 0 {
		f.estimate.Note(tokens.Weigh(&row.Request), refused.PromptTokens)
	}
	if refused.CompletionTokens > 0 {
		f.asked.Add(1)
		f.cut.Add(1)
	}
}

// mostCut is the share of answers that may be cut until rows are taken to need all that they allow: each cut is an answer
// for nothing.
const mostCut = 0.05

// answer is how many tokens a row's answer is taken to have.
func (f *fit) answer(row *prompt.Row) int {
	most := tokens.Answer(&row.Request)
	if float64(f.cut.Load()) > max(1, mostCut*float64(f.asked.Load())) {
		return most
	}
	return min(most, tokens.LikelyAnswer)
}

// last tells whether a row that is too long now will not do better later.
func (f *fit) last() bool { return f == nil || f.context >= f.limit }

// putOffLong has a row wait for a longer context if it seems to need one. One whose prompt seems to fit none is asked all
// the same: to refuse it costs little. So does one whose prompt alone is too long, where the server then tells its tokens.
func (r *run) putOffLong(row *prompt.Row) (waits bool, _ error) {
	f := r.fit
	if f.last() {
		return false, nil
	}
	weight := tokens.Weigh(&row.Request)
	if f.number > 1 && f.estimate.Guess(weight)+f.answer(row) <= f.context {
		return false, nil // the context was chosen for it, and estimates have moved since
	}
	text := f.estimate.AtMost(weight)
	need := text + f.answer(row)
	if need <= f.context || text >= f.limit || f.counts && text > f.context {
		return false, nil
	}
	return true, r.putOff(row, need)
}

// putOffRefused has a row wait that the server found too long, whether its prompt was or its answer did not come to its end,
// unless it is known to fit no context.
func (r *run) putOffRefused(row *prompt.Row, refused *ollama.RequestError) (waits bool, _ error) {
	f := r.fit
	if f == nil || refused.Code != ollama.CodeContextLength {
		return false, nil
	}
	f.noteRefused(row, refused)
	if f.last() || refused.PromptTokens >= f.limit {
		return false, nil
	}
	text := refused.PromptTokens
	if text == 0 { // not counted: more than there is, and so maybe far more than it seemed
		if text = f.estimate.AtMost(tokens.Weigh(&row.Request)); text <= f.context {
			text = 2 * f.context
		}
	}
	need := text + f.answer(row)
	if refused.CompletionTokens > 0 {
		need = text + tokens.Answer(&row.Request)
	}
	return true, r.putOff(row, max(need, f.context+1))
}

// putOff has a row wait that needs so many tokens, or as many as there are.
func (r *run) putOff(row *prompt.Row, need int) error {
	r.counts.putOff.Add(1)
	return r.fit.waiting.add(row, min(need, r.fit.limit))
}

// explain says of a row that is too long for good how many tokens it has and how many there are.
func (f *fit) explain(row *prompt.Row, refused *ollama.RequestError, context int) *ollama.RequestError {
	if f == nil || refused.Code != ollama.CodeContextLength {
		return refused
	}
	longest := f.longest()
	if refused.PromptTokens < f.limit && context < f.limit {
		longest = fmt.Sprintf("the longest context that the server could be given is %d tokens", context)
	}
	e := *refused
	switch estimate := f.estimate.Guess(tokens.Weigh(&row.Request)); {
	case refused.CompletionTokens > 0:
		e.Message = fmt.Sprintf("the answer was cut after %d of at most %d tokens: the prompt has %d, and %s; shorten the prompt",
			refused.CompletionTokens, row.Request.Sampling.MaxTokens, refused.PromptTokens, longest)
	case refused.PromptTokens > 0:
		e.Message = fmt.Sprintf("the prompt has %d tokens, and %s; shorten it", refused.PromptTokens, longest)
	case estimate > f.limit:
		e.Message = fmt.Sprintf("the prompt has about %d tokens (estimated), and %s; shorten it", estimate, longest)
	default:
		e.Message = fmt.Sprintf("the prompt has more than %d tokens, and %s; shorten it", context, longest)
	}
	return &e
}

func (f *fit) longest() string {
	return fmt.Sprintf("the longest context that %s is %d tokens", f.because, f.limit)
}

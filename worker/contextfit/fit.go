// Package contextfit makes the servers' context follow from what the rows take. Rows are answered in passes: the first pass has
// the context that suits most of them, and rows that need more are deferred to the next pass, whose servers have a longer
// context. Only with the longest context that the model and the memory allow is a row too long.
//
// Invariants: a deferred row has no line, and is asked in a later pass or not in this run; an estimate alone never makes a
// row fail; of an input that can be read again no row is kept, only a bit for each deferred row.
package contextfit

import (
	"fmt"
	"sync/atomic"

	"github.com/rs/zerolog"

	"fluxworker/worker/ollama"
	"fluxworker/worker/plan"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
	"fluxworker/worker/tokens"
)

// Config says which rows there are, and how servers are planned for them.
type Config struct {
	Planner plan.Planner
	Shard   result.Shard
	Found   record.InputFile // the input as it was when the run began
	Folder  string           // for the rows of an input that can be read only once
}

// Fit chooses the context of each pass. Saw, TooLong, Refused and Learn may be called from many goroutines; the other
// methods belong to the goroutine that runs the passes.
type Fit struct {
	config   Config
	recorder *record.Recorder
	counters *record.Counters
	log      zerolog.Logger

	ahead    tokens.Sample  // the rows that were read until the first context was chosen
	begun    atomic.Bool    // it is
	sample   *tokens.Sample // of the rows that are to be asked, by which it was
	estimate *tokens.Estimator

	counts bool         // the server says how many tokens a prompt has that it refuses
	asked  atomic.Int64 // rows that were answered or cut
	cut    atomic.Int64 // rows of these whose answer reached the context's end

	// These change only between the passes.
	context  int            // of this pass
	served   int            // the longest with which servers were ready
	limit    int            // the longest that is possible
	because  string         // what sets the limit, for people
	deferred *Deferred      // rows for the next pass
	demand   *tokens.Demand // of this pass's rows, from the second on
	number   int            // of the pass, from 1
}

// New makes the Fit of a run.
func New(c Config, recorder *record.Recorder, counters *record.Counters, log zerolog.Logger) *Fit {
	f := &Fit{config: c, recorder: recorder, counters: counters, log: log, number: 1, estimate: tokens.NewEstimator()}
	f.deferred = f.newDeferred()
	return f
}

// Saw takes a row that was read into the sample for as long as the context is not chosen.
func (f *Fit) Saw(row *prompt.Row) {
	if !f.begun.Load() {
		f.ahead.Add(&row.Request)
	}
}

// Learn takes an answer into the estimate.
func (f *Fit) Learn(row *prompt.Row, a *ollama.Answer) {
	f.asked.Add(1)
	if e := row.Request.Embedding; e != nil && len(e.Input) > 1 {
		return // counted are all of its texts together, weighed is the longest
	}
	f.estimate.Note(tokens.Weigh(&row.Request), a.PromptTokens)
}

// learnRefused takes a row that was too long into the estimate.
func (f *Fit) learnRefused(row *prompt.Row, refused *ollama.RequestError) {
	if refused.PromptTokens > 0 {
		f.estimate.Note(tokens.Weigh(&row.Request), refused.PromptTokens)
	}
	if refused.CompletionTokens > 0 {
		f.asked.Add(1)
		f.cut.Add(1)
	}
}

// maxCutShare is the share of answers that may be cut until rows are taken to need all that they allow: each cut is an answer
// for nothing.
const maxCutShare = 0.05

// answer is how many tokens a row's answer is taken to have.
func (f *Fit) answer(row *prompt.Row) int {
	most := tokens.Answer(&row.Request)
	if float64(f.cut.Load()) > max(1, maxCutShare*float64(f.asked.Load())) {
		return most
	}
	return min(most, tokens.LikelyAnswer)
}

// isLast reports whether this pass has the longest context: a row that is too long now will not do better later.
func (f *Fit) isLast() bool { return f.context >= f.limit }

// TooLong defers a row that seems to need a longer context. A row whose prompt seems to fit no context is asked all the same:
// to refuse it costs little. So is a row whose prompt alone is too long, where the server then says how many tokens it has.
func (f *Fit) TooLong(row *prompt.Row) (deferred bool, _ error) {
	if f.isLast() {
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
	return true, f.deferRow(row, need)
}

// Refused defers a row that the server found too long, whether its prompt was or its answer did not come to its end, unless
// it is known to fit no context. Of such a row the final refusal says how many tokens it has and how many there are.
func (f *Fit) Refused(row *prompt.Row, refused *ollama.RequestError, context int) (deferred bool, final *ollama.RequestError, _ error) {
	if refused.Code != ollama.CodeContextLength {
		return false, refused, nil
	}
	f.learnRefused(row, refused)
	if f.isLast() || refused.PromptTokens >= f.limit {
		return false, f.explain(row, refused, context), nil
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
	return true, nil, f.deferRow(row, max(need, f.context+1))
}

// deferRow defers a row that needs so many tokens, or as many as there are.
func (f *Fit) deferRow(row *prompt.Row, need int) error {
	f.counters.Defer()
	return f.deferred.add(row, min(need, f.limit))
}

// explain says of a row that is too long for good how many tokens it has and how many there are.
func (f *Fit) explain(row *prompt.Row, refused *ollama.RequestError, context int) *ollama.RequestError {
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

func (f *Fit) longest() string {
	return fmt.Sprintf("the longest context that %s is %d tokens", f.because, f.limit)
}

// Package contextfit derives the servers' context length from the needs of the rows. Rows are answered in passes. The first
// pass has the context that suits most rows; rows that need more are deferred to the next pass, whose servers have a longer
// context. A row is too long only with the longest context that the model and the memory allow.
//
// Invariants: a deferred row has no line, and is asked in a later pass or not in this run; an estimate alone never makes a
// row fail; rows of an input that can be read again are not kept, only one bit for each row.
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

// Config names the rows of a run, and holds the planner of the run's servers.
type Config struct {
	Planner plan.Planner
	Shard   result.Shard
	Found   record.InputFile // the input at the start of the run
	Folder  string           // for the spool of an input that can be read only once
}

// Fit chooses the context of each pass. Saw, TooLong, Refused and Learn are safe for concurrent use; the other methods belong
// to the goroutine that runs the passes.
type Fit struct {
	config   Config
	recorder *record.Recorder
	counters *record.Counters
	log      zerolog.Logger

	read     tokens.Sample  // the rows that were read before sampled was set
	sampled  atomic.Bool    // the sample for the first context is taken
	sample   *tokens.Sample // of the rows without a line, for the first context
	estimate *tokens.Estimator

	counts bool         // a refusal of the server names the tokens of the prompt
	asked  atomic.Int64 // rows with an answer, complete or cut
	cut    atomic.Int64 // rows of these whose answer reached the end of the context

	// These change only between the passes. Context lengths are in tokens.
	context  int            // of the present pass
	served   int            // the longest context of the earlier passes; 0 in the first pass
	limit    int            // the longest possible context; 0 before it is known
	because  string         // the cause of the limit, for messages
	deferred *Deferred      // rows for the next pass
	demand   *tokens.Demand // of the rows of the present pass, from the second pass on
	number   int            // of the present pass, from 1
}

// New makes the Fit of a run.
func New(c Config, recorder *record.Recorder, counters *record.Counters, log zerolog.Logger) *Fit {
	f := &Fit{config: c, recorder: recorder, counters: counters, log: log, number: 1, estimate: tokens.NewEstimator()}
	f.deferred = f.newDeferred()
	return f
}

// Saw adds a row that was read to the sample, until the sample for the first context is taken.
func (f *Fit) Saw(row *prompt.Row) {
	if !f.sampled.Load() {
		f.read.Add(&row.Request)
	}
}

// Learn adds the token counts of an answer to the estimate.
func (f *Fit) Learn(row *prompt.Row, a *ollama.Answer) {
	f.asked.Add(1)
	if e := row.Request.Embedding; e != nil && len(e.Input) > 1 { // the server counts all texts together
		f.estimate.Note(tokens.WeighMean(e), a.PromptTokens/len(e.Input))
		return
	}
	f.estimate.Note(tokens.Weigh(&row.Request), a.PromptTokens)
}

// learnRefused adds the token counts of a refusal to the estimate.
func (f *Fit) learnRefused(row *prompt.Row, refused *ollama.RequestError) {
	if refused.PromptTokens > 0 {
		f.estimate.Note(tokens.Weigh(&row.Request), refused.PromptTokens)
	}
	if refused.CompletionTokens > 0 {
		f.asked.Add(1)
		f.cut.Add(1)
	}
}

// maxCutShare is the share of cut answers above which Fit assumes that answers have as many tokens as their rows allow: a cut
// answer was generated for nothing.
const maxCutShare = 0.05

// answer returns the assumed number of tokens of a row's answer.
func (f *Fit) answer(row *prompt.Row) int {
	allowed := tokens.Answer(&row.Request)
	if float64(f.cut.Load()) > max(1, maxCutShare*float64(f.asked.Load())) {
		return allowed
	}
	return min(allowed, tokens.LikelyAnswer)
}

// isLast reports whether this pass has the longest context: a later pass cannot answer a row that is too long now.
func (f *Fit) isLast() bool { return f.context >= f.limit }

// TooLong defers a row that seems to need a longer context. Two kinds of such rows are asked all the same: a row whose prompt
// seems too long for every context, because a refusal costs little, and a row whose prompt alone is too long for this
// context, if the server's refusal names the tokens of the prompt. Error: result.WriteError.
func (f *Fit) TooLong(row *prompt.Row) (deferred bool, _ error) {
	if f.isLast() {
		return false, nil
	}
	weight := tokens.Weigh(&row.Request)
	if f.number > 1 && f.estimate.Guess(weight)+f.answer(row) <= f.context {
		return false, nil // the context was chosen for this row, and the estimate has changed since
	}
	text := f.estimate.AtMost(weight)
	need := text + f.answer(row)
	if need <= f.context || text >= f.limit || f.counts && text > f.context {
		return false, nil
	}
	return true, f.deferRow(row, need)
}

// Refused defers a row whose prompt or answer was too long for the context of the server, in tokens, unless the row is too
// long for every context. Then final, the refusal for its error line, names the tokens of the row and the longest context.
// Refusals for other reasons are final unchanged. Error: result.WriteError.
func (f *Fit) Refused(row *prompt.Row, refused *ollama.RequestError, context int) (deferred bool, final *ollama.RequestError, _ error) {
	if refused.Code != ollama.CodeContextLength {
		return false, refused, nil
	}
	f.learnRefused(row, refused)
	if f.isLast() || refused.PromptTokens >= f.limit {
		return false, f.explain(row, refused, context), nil
	}
	text := refused.PromptTokens
	if text == 0 { // not counted, and longer than the context: maybe far longer than the estimate
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

// deferRow defers a row with its need, in tokens, at most the limit.
func (f *Fit) deferRow(row *prompt.Row, need int) error {
	f.counters.Defer()
	return f.deferred.add(row, min(need, f.limit))
}

// explain returns the refusal of a row that is too long for every context, with the tokens of the row and the longest context
// in its message.
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

// longest returns the part of a message that names the longest context.
func (f *Fit) longest() string {
	return fmt.Sprintf("the longest context that %s is %d tokens", f.because, f.limit)
}

package dispatch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

// codeInvalidOutput is the error code of a row whose answers do not have the form that the row demands, after all retries.
const codeInvalidOutput = "invalid_output"

// invalidOutput means that an answer does not have the form that its row demands. Another seed may give a valid answer,
// unless the sampling is deterministic.
type invalidOutput struct {
	answer *ollama.Answer // nil where the server did not return the answer
	reason error
}

func (e *invalidOutput) Error() string {
	return "the answer does not have the form that the row demands: " + e.reason.Error()
}

// generate gets the answers that a task still lacks, one after the other: a row with several answers holds one slot. The
// task keeps its answers, so that a retry asks only for the missing answers.
func (l *Lane) generate(ctx context.Context, t *task, room *ollama.Room) error {
	d := l.dispatcher
	for len(t.answers) < t.row.Request.Answers() {
		if len(t.answers)+1 == t.row.Request.Answers() {
			room.Last()
		}
		request := t.row.Request
		request.Sampling.Seed = request.SeedOf(len(t.answers), t.invalid)
		a, err := l.server.Ask(ctx, d.config.RequestTimeout, request, room)
		if errors.Is(err, ollama.ErrNoRoom) {
			if err := l.waitForRoom(ctx, t, room); err != nil {
				return err
			}
			continue
		}
		if unread, ok := errors.AsType[*ollama.AnswerError](err); ok {
			l.completed.Add(1)
			return &invalidOutput{reason: unread}
		}
		if err != nil {
			return err
		}
		l.completed.Add(1)
		l.limiter.answered(time.Now(), int(l.asking.Load()))
		if d.deferrer != nil {
			d.deferrer.Learn(&t.row, a)
		}
		invalid, err := d.check(ctx, a, &t.row.Request)
		if err != nil {
			return err
		}
		if invalid != nil {
			return &invalidOutput{answer: a, reason: invalid}
		}
		t.answers = append(t.answers, a)
	}
	return nil
}

// check returns why the answer does not have the form that the row demands; err is the context's. A check cannot be stopped,
// so no more of them run at once than there are cores: after a second signal the run waits for these alone, and each takes
// less than half a second.
func (d *Dispatcher) check(ctx context.Context, a *ollama.Answer, r *prompt.Request) (invalid, err error) {
	switch {
	case r.Structure == nil && len(a.ToolCalls) == 0:
		return nil, nil // nothing to check, so no reason to wait
	case ctx.Err() != nil:
		return nil, ctx.Err() // select would choose at random
	}
	select {
	case d.checks <- struct{}{}:
		defer func() { <-d.checks }()
		return a.Check(r), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// waitForRoom waits until the task has the reserve of the memory for answers. The task does not count as in flight
// meanwhile: the server does nothing for it, and must not seem to hang.
func (l *Lane) waitForRoom(ctx context.Context, t *task, room *ollama.Room) error {
	l.dispatcher.log.Warn().Str("custom_id", t.row.CustomID).
		Msg("the memory for answers in flight is taken; the row waits, and is asked again (allow more with --max-answer-memory)")
	l.asking.Add(-1)
	defer l.asking.Add(1)
	return room.Wait(ctx)
}

// deterministic returns why no seed gives another answer, with the remedy; "" where another seed may give another answer.
func deterministic(r *prompt.Request) string {
	switch s := &r.Sampling; {
	case s.Temperature == 0:
		return "at temperature 0 another try gives the same answer; raise the temperature"
	case s.TopK == 1:
		return "at top_k 1 another try gives the same answer; raise top_k"
	case r.Body != nil && s.Seed != nil: // a body goes as it is
		return "with a seed in its body another try gives the same answer; leave out the seed"
	}
	return ""
}

// refuseInvalid writes the error line of a row without a valid answer. The line keeps the last answer, if the server
// returned an answer.
func (l *Lane) refuseInvalid(t *task, e *invalidOutput) error {
	tries := deterministic(&t.row.Request)
	if tries == "" {
		tries = fmt.Sprintf("it was asked for %d times (--max-retries)", t.invalid+1)
	}
	message := fmt.Sprintf("%s; %s", e, tries)
	answers := t.answers
	switch {
	case e.answer == nil:
		message += "; it may have been cut at max_tokens, allow more, or by stop"
	case e.answer.Cut():
		limit := t.row.Request.Sampling.MaxTokens
		if limit <= 0 { // the server decides
			limit = e.answer.CompletionTokens
		}
		message += fmt.Sprintf("; the last answer was cut at %d tokens, allow more with max_tokens", limit)
	}
	if e.answer != nil {
		answers = append(answers, e.answer)
	}
	return l.dispatcher.sink.Failed(t.row, &ollama.RequestError{
		Status: http.StatusUnprocessableEntity, Code: codeInvalidOutput, Message: message,
	}, answers, t.retries)
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/result"
)

// codeInvalidOutput is the error of a row whose answer is not of the form that the row wants, however often it may be drawn.
const codeInvalidOutput = "invalid_output"

// misfit is an answer that is not of the form that its row wants. Another seed may give a better one, unless sameAgain.
type misfit struct {
	answer *ollama.Answer // nil where the server did not give it away
	reason error
}

func (e *misfit) Error() string { return "the answer is not what the row wants: " + e.reason.Error() }

// draw gets the answers that a task still lacks, one after the other: a row that wants several holds one slot. What was
// answered stays with the task, so that one which is asked again asks only for the rest.
func (r *run) draw(ctx context.Context, m *member, t *task) error {
	for len(t.answers) < t.row.Request.Answers() {
		request := t.row.Request
		request.Sampling.Seed = request.SeedOf(len(t.answers), t.misfits)
		a, err := m.client.AskWithin(ctx, r.RequestTimeout, request)
		var misread *ollama.AnswerError
		if errors.As(err, &misread) {
			m.answered.Add(1)
			return &misfit{reason: misread}
		}
		if err != nil {
			return err
		}
		m.answered.Add(1)
		m.limiter.answered(time.Now())
		r.fit.note(&t.row, a)
		if err := a.Check(&t.row.Request); err != nil {
			return &misfit{answer: a, reason: err}
		}
		t.answers = append(t.answers, a)
	}
	return nil
}

// sameAgain tells why no seed gives another answer, and the way out; it is empty where one may.
func sameAgain(s *prompt.Sampling) string {
	switch {
	case s.Temperature == 0:
		return "at temperature 0 another try gives the same answer; raise the temperature"
	case s.TopK == 1:
		return "at top_k 1 another try gives the same answer; raise top_k"
	}
	return ""
}

// refuseMisfit writes the error line of a row that got no answer of the form that it wants. The line keeps the last one,
// where there is one to keep.
func (r *run) refuseMisfit(t *task, e *misfit) error {
	tries := sameAgain(&t.row.Request.Sampling)
	if tries == "" {
		tries = fmt.Sprintf("it was asked for %d times (--max-retries)", t.misfits+1)
	}
	message := fmt.Sprintf("%s; %s", e, tries)
	switch {
	case e.answer == nil:
		message += "; it may have been cut at max_tokens, allow more, or by stop"
	case e.answer.Cut():
		message += fmt.Sprintf("; the last answer was cut at %d tokens, allow more with max_tokens", t.row.Request.Sampling.MaxTokens)
	}
	refused := ollama.RequestError{Status: http.StatusUnprocessableEntity, Code: codeInvalidOutput, Message: message}
	body := refused.Body()
	answers := t.answers
	if e.answer != nil {
		answers = append(answers, e.answer)
	}
	if len(answers) > 0 {
		body.Completion = ollama.Body(t.row, answers)
	}
	r.counts.asked.Add(1)
	r.counts.fail(r.log, t.row, refused.Code, refused.Message)
	return r.output.Append(t.row, &result.Response{
		StatusCode: refused.Status, RequestID: requestID(t.row), Body: body, Retries: t.retries,
	}, nil)
}

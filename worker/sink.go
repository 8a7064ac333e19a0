package worker

import (
	"net/http"

	"github.com/rs/zerolog"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// sink writes the line of each row and counts it. It is the one place where an error line is written.
type sink struct {
	output   *result.Log
	counters *record.Counters
	log      zerolog.Logger
}

// Answered writes the line of a row that has its answers.
func (s *sink) Answered(row prompt.Row, answers []*ollama.Answer, retries int) error {
	s.counters.Answer(answers)
	return s.output.Append(row, &result.Response{
		StatusCode: http.StatusOK, RequestID: requestID(row), Body: ollama.Body(row, answers), Retries: retries,
	}, nil)
}

// Failed writes the error line of a row that was taken. Without a status the line has no response; answers are those that
// the line keeps.
func (s *sink) Failed(row prompt.Row, e *ollama.RequestError, answers []*ollama.Answer, retries int) error {
	s.counters.Fail(s.log, row, e.Code, e.Message, true)
	if e.Status == 0 {
		return s.output.Append(row, nil, &result.Failure{Code: e.Code, Message: e.Message, Line: row.Line})
	}
	body := e.Body()
	if len(answers) > 0 {
		body.Completion = ollama.Body(row, answers)
	}
	return s.output.Append(row, &result.Response{StatusCode: e.Status, RequestID: requestID(row), Body: body, Retries: retries}, nil)
}

// Reject writes the error line of a row that cannot be asked. taken says that the row was taken before.
func (s *sink) Reject(row prompt.Row, taken bool) error {
	r := row.Reject
	s.counters.Fail(s.log, row, r.Code, r.Message, taken)
	return s.output.Append(row, nil, &result.Failure{Code: r.Code, Message: r.Message, Param: r.Param, Line: row.Line})
}

// Lost is closed when the output is lost, and Err says why.
func (s *sink) Lost() <-chan struct{} { return s.output.Failed() }

// Err returns why the output is lost.
func (s *sink) Err() error { return s.output.Err() }

// requestID names the request in its line, as OpenAI's lines do.
func requestID(row prompt.Row) string {
	return "req_" + row.Key.String()[len("batch_req_"):]
}

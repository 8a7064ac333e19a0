package worker

import (
	"net/http"

	"github.com/rs/zerolog"

	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
	"fluxworker/worker/record"
	"fluxworker/worker/result"
)

// sink writes and counts the lines of rows. No other code writes an error line.
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

// Failed writes the error line of a row that was taken. With status 0 the line has no response. The line keeps the given
// answers.
func (s *sink) Failed(row prompt.Row, e *ollama.RequestError, answers []*ollama.Answer, retries int) error {
	s.counters.Fail(s.log, row, e.Code, e.Message, true)
	if e.Status == 0 {
		return s.output.Append(row, nil, &result.Failure{Code: e.Code, Message: e.Message, Line: row.Line})
	}
	own := e.Body()
	if len(answers) > 0 {
		own.Completion = ollama.Body(row, answers)
	}
	var body any = own
	if e.Raw != nil {
		body = e.Raw
	}
	return s.output.Append(row, &result.Response{StatusCode: e.Status, RequestID: requestID(row), Body: body, Retries: retries}, nil)
}

// Reject writes the error line of a row that cannot be asked. taken means that Counters.Take counted the row.
func (s *sink) Reject(row prompt.Row, taken bool) error {
	r := row.Reject
	s.counters.Fail(s.log, row, r.Code, r.Message, taken)
	return s.output.Append(row, nil, &result.Failure{Code: r.Code, Message: r.Message, Param: r.Param, Line: row.Line})
}

// Lost returns a channel that is closed when the output is lost.
func (s *sink) Lost() <-chan struct{} { return s.output.Failed() }

// Err returns why the output is lost.
func (s *sink) Err() error { return s.output.Err() }

// requestID returns the request_id of a row's line, in the form of OpenAI's lines.
func requestID(row prompt.Row) string {
	return "req_" + row.Key.String()[len("batch_req_"):]
}

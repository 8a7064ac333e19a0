package result

import (
	"sync"

	"fluxworker/worker/json"
)

// Line is one line of the output, in the schema of OpenAI's Batch API. A line is a success if Error is nil and the
// response's status code is 2xx.
type Line struct {
	ID       string    `json:"id"` // prompt.Key of the row; it makes the file sufficient for a restart
	CustomID string    `json:"custom_id"`
	Response *Response `json:"response"`
	Error    *Failure  `json:"error"`
}

// Response is the HTTP response in OpenAI's format: an answer, or an error object with a 4xx status code.
type Response struct {
	StatusCode int    `json:"status_code"`
	RequestID  string `json:"request_id"`
	Body       any    `json:"body"`
	// Retries is how often the row was retried after a failure of the server.
	Retries int `json:"retries,omitempty"`
}

// Failure is the reason why a row was never sent.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Param   string `json:"param,omitempty"`
	Line    int64  `json:"line,omitempty"` // line of the input, from 1
}

// ok reports whether the line belongs in the file of answers.
func (l Line) ok() bool {
	return l.Error == nil && l.Response != nil && l.Response.StatusCode >= 200 && l.Response.StatusCode < 300
}

// spare holds buffers for one line each.
var spare = sync.Pool{New: func() any { return new([]byte) }}

// keptBuffer is the largest size in bytes of a buffer that is kept for the next line or batch.
const keptBuffer = 1 << 20

// appendTo appends the encoded line with its newline. It does not escape < and &, which are frequent in code and
// markup.
func (l *Line) appendTo(buffer []byte) ([]byte, error) {
	data, err := json.Append(buffer, l)
	return append(data, '\n'), err
}

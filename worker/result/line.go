package result

import (
	"sync"

	"fluxworker/worker/json"
)

// Line is one line of the output, in the schema of OpenAI's Batch API. A reader takes a line for a success when Error is
// nil and the response's status code is 2xx.
type Line struct {
	ID       string    `json:"id"` // prompt.Key of the row, so that the file alone says what is done
	CustomID string    `json:"custom_id"`
	Response *Response `json:"response"`
	Error    *Failure  `json:"error"`
}

// Response is what came back over HTTP, in OpenAI's shape: an answer or, with a status code of 4xx, an error object.
type Response struct {
	StatusCode int    `json:"status_code"`
	RequestID  string `json:"request_id"`
	Body       any    `json:"body"`
	// Retries is how often the row was asked again after a failure of the server.
	Retries int `json:"retries,omitempty"`
}

// Failure is the reason why a row was never asked.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Param   string `json:"param,omitempty"`
	Line    int64  `json:"line,omitempty"` // of the input, from 1
}

// ok says into which of the two files the line belongs.
func (l Line) ok() bool {
	return l.Error == nil && l.Response != nil && l.Response.StatusCode >= 200 && l.Response.StatusCode < 300
}

// spare buffers are for one line each.
var spare = sync.Pool{New: func() any { return new([]byte) }}

// keptBuffer is how large a buffer may be, in bytes, and still be kept for the next line or batch of lines.
const keptBuffer = 1 << 20

// appendTo renders the line with its newline. Prompts hold code and markup, so < and & stay as they are.
func (l *Line) appendTo(buffer []byte) ([]byte, error) {
	data, err := json.Append(buffer, l)
	return append(data, '\n'), err
}

package result

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"

	"fluxworker/worker/prompt"
)

// Read is what one line says about its row. Its slices are valid until the callback of EachLine returns.
type Read struct {
	Key      prompt.Key
	CustomID string
	Answered bool
	Body     json.RawMessage // of the response; nil without a response
	Failure  Failure         // zero if Answered
}

// EachLine calls do for each result line of a file, in the order of the file; a missing file has no lines. It leaves out lines
// that are damaged or cut off, and returns their number. It takes no lock, so a run may append meanwhile. Errors: those of do, of
// the context, and of reading.
func EachLine(ctx context.Context, path string, do func(Read) error) (damaged int64, _ error) {
	err := eachNamedLine(ctx, path, func(line parsed) error {
		if line.err != nil {
			if line.whole() {
				damaged++
			}
			return nil
		}
		return do(read(line))
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return damaged, err
}

// read parses the parts of a valid line that EachLine returns.
func read(line parsed) Read {
	p := partsOf(bytes.TrimSpace(line.text))
	r := Read{Key: line.key, CustomID: prompt.TextOf(p.customID), Answered: p.answered, Body: p.body}
	if !p.answered {
		r.Failure = failureIn(p.failure)
	}
	return r
}

// lineParts are the parts of a line, as JSON; nil where the line does not have them.
type lineParts struct {
	customID []byte
	answered bool
	body     []byte // of the response
	failure  []byte // why there is no answer
}

// partsOf parses a line, which is a valid object. Most of a line is its answer, which is not decoded.
func partsOf(line []byte) (p lineParts) {
	var response, status []byte
	prompt.EachMember(line, func(name, value []byte) {
		switch string(name) {
		case `"custom_id"`:
			p.customID = value
		case `"response"`:
			response = value
		case `"error"`:
			p.failure = value
		}
	})
	if isObject(response) {
		prompt.EachMember(response, func(name, value []byte) {
			switch string(name) {
			case `"status_code"`:
				status = value
			case `"body"`:
				p.body = value
			}
		})
	}
	switch {
	case isObject(p.failure):
	case len(status) == 3 && status[0] == '2' && len(p.body) > 0:
		p.answered = true
	case isObject(p.body):
		p.failure = p.body
		prompt.EachMember(p.body, func(name, value []byte) {
			if string(name) == `"error"` && string(value) != "null" {
				p.failure = value
			}
		})
	}
	return p
}

// unknownCode is the code of an error that has none.
const unknownCode = "unknown"

// failureIn returns the failure in an error: an object of ours or of a server, or a text. The code of a server may be a number, as
// that of vLLM, beside a type that says more.
func failureIn(value []byte) Failure {
	var e struct {
		Code    any    `json:"code"`
		Type    string `json:"type"`
		Message string `json:"message"`
		Line    int64  `json:"line"`
	}
	_ = json.Unmarshal(value, &e) // a member of another type is left out
	code, _ := e.Code.(string)
	return Failure{Code: cmp.Or(code, e.Type, unknownCode), Message: cmp.Or(e.Message, prompt.TextOf(value)), Line: e.Line}
}

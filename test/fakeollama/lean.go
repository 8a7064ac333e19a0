package fakeollama

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// lean answers chat requests at a fraction of the cost of chat, so that a benchmark measures the client and not the
// server. It recognises a request by its bytes. It passes to next every request that is a stream, a proof, or not one
// message without escapes to the first model. Its answers ignore num_predict, stop and the context length.
type lean struct {
	*server
	next    http.Handler
	model   []byte          // in the form of a request
	answers [256]leanAnswer // by the last byte of a prompt
	buffers sync.Pool
}

// leanAnswer is an answer without its times, which go between the parts.
type leanAnswer struct {
	begin, middle []byte
	tokens        int
}

func newLean(s *server, next http.Handler) *lean {
	l := &lean{server: s, next: next, model: []byte(`"model":"` + s.config.models[0] + `"`)}
	l.buffers.New = func() any { return new(bytes.Buffer) }
	for last := range l.answers {
		g := generate(byte(last), math.MaxInt, nil)
		l.answers[last] = leanAnswer{
			begin:  []byte(`{` + string(l.model) + `,"created_at":"`),
			middle: []byte(`","message":{"role":"assistant","content":"` + g.text + `"},"done":true,"done_reason":"` + g.reason + `"`),
			tokens: g.tokens,
		}
	}
	return l
}

// ServeHTTP answers one request.
func (l *lean) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/api/chat" {
		l.next.ServeHTTP(w, r)
		return
	}
	arrived := time.Now()
	buffer := l.buffers.Get().(*bytes.Buffer)
	defer l.buffers.Put(buffer)
	buffer.Reset()
	if _, err := buffer.ReadFrom(io.LimitReader(r.Body, maxBody)); err != nil {
		return // the client went away before the request was complete
	}
	content, plain := l.plain(buffer.Bytes())
	if !plain {
		r.Body = io.NopCloser(bytes.NewReader(buffer.Bytes()))
		l.next.ServeHTTP(w, r)
		return
	}
	l.recorder.count(func(rec *Record) {
		l.recorder.arrived(rec, false)
		l.recorder.wanted(rec)
	})
	defer l.recorder.count(func(*Record) { l.recorder.inFlight-- })
	if err := l.slots.Acquire(r.Context(), 1); err != nil {
		l.recorder.count(l.recorder.gaveUp)
		l.gone()
	}
	defer l.slots.Release(1)
	l.recorder.count(l.recorder.began)
	defer l.recorder.count(l.recorder.ended)
	began := time.Now()
	if l.delay > 0 && !l.wait(r, l.delay) {
		l.gone()
	}
	w.Header()["Content-Type"] = jsonType
	a := &l.answers[content[len(content)-1]]
	if _, err := w.Write(a.at(buffer.AvailableBuffer(), arrived, began, 1+len(content))); err != nil {
		l.gone()
	}
	l.recorder.count(func(rec *Record) { l.recorder.answered(rec, false) })
}

// jsonType is the header of every answer. Do not modify it.
var jsonType = []string{"application/json; charset=utf-8"}

// plain returns the prompt of a request that needs no full parsing.
func (l *lean) plain(body []byte) (content []byte, ok bool) {
	const key = `"content":"`
	begin := bytes.Index(body, []byte(key))
	if begin < 0 || !bytes.Contains(body[:begin], l.model) {
		return nil, false
	}
	begin += len(key)
	length := bytes.IndexByte(body[begin:], '"')
	if length < 2 { // empty, or a proof
		return nil, false
	}
	content = body[begin : begin+length]
	rest := body[begin+length:]
	ok = bytes.IndexByte(content, '\\') < 0 &&
		!bytes.Contains(rest, []byte(key)) && bytes.Contains(rest, []byte(`"stream":false`))
	return content, ok
}

// at appends the answer with its times; prompt is the number of tokens in the prompt.
func (a *leanAnswer) at(into []byte, arrived, began time.Time, prompt int) []byte {
	m := measure(arrived, began, prompt, a.tokens)
	into = append(into, a.begin...)
	into = time.Now().UTC().AppendFormat(into, time.RFC3339Nano)
	into = append(into, a.middle...)
	for _, field := range []struct {
		name  string
		value int64
	}{
		{`,"total_duration":`, m.TotalDuration},
		{`,"load_duration":`, m.LoadDuration},
		{`,"prompt_eval_count":`, int64(m.PromptEvalCount)},
		{`,"prompt_eval_duration":`, m.PromptEvalDuration},
		{`,"eval_count":`, int64(m.EvalCount)},
		{`,"eval_duration":`, m.EvalDuration},
	} {
		into = append(into, field.name...)
		into = strconv.AppendInt(into, field.value, 10)
	}
	return append(into, '}')
}

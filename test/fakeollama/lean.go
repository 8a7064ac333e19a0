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

// lean answers chat requests at a fraction of chat's cost, so that a benchmark measures who asks and not who answers. It
// knows a request only by its bytes, and leaves to next whatever does not ask the first model one message without an
// escape, or asks for a stream; proofs go there, too. What it answers ignores num_predict, stop and the context's length.
type lean struct {
	*server
	next    http.Handler
	model   []byte          // as a request names it
	answers [256]leanAnswer // by the last byte of a prompt
	buffers sync.Pool
}

// leanAnswer is an answer but for its times, which stand between the parts.
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
		return // the client went before it had said what it wants
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

// jsonType is the header of every answer; it is never changed.
var jsonType = []string{"application/json; charset=utf-8"}

// plain returns the prompt of a request that can be answered without a look at the rest of it.
func (l *lean) plain(body []byte) (content []byte, ok bool) {
	const key = `"content":"`
	begin := bytes.Index(body, []byte(key))
	if begin < 0 || !bytes.Contains(body[:begin], l.model) {
		return nil, false
	}
	begin += len(key)
	length := bytes.IndexByte(body[begin:], '"')
	if length < len(`Count`) { // none, or a proof
		return nil, false
	}
	content = body[begin : begin+length]
	rest := body[begin+length:]
	ok = bytes.IndexByte(content, '\\') < 0 && !bytes.HasPrefix(content, []byte("Count from")) &&
		!bytes.Contains(rest, []byte(key)) && bytes.Contains(rest, []byte(`"stream":false`))
	return content, ok
}

// at appends the answer to a prompt of so many tokens that came and began to be worked on at these times.
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

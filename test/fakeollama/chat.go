package fakeollama

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"
)

// maxBody limits a request body in bytes.
const maxBody = 64 << 20

// chat answers /api/chat.
func (s *server) chat(w http.ResponseWriter, r *http.Request) {
	req, body, err := readRequest(r)
	if body != nil { // else the client went away before the request was complete
		s.converse(w, r, req, body, err)
	}
}

// converse answers a request with a complete body; err is the error of parsing the body.
func (s *server) converse(w http.ResponseWriter, r *http.Request, req *chatRequest, body []byte, err error) {
	arrived := time.Now()
	proof := err == nil && req.proof()
	s.recorder.arrive(body, proof)
	defer s.recorder.leave()
	var options sampling
	if err == nil {
		options, err = req.sampling(s.context)
	}
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, err.Error())
		return
	case !s.models.has(req.Model):
		refuse(w, http.StatusNotFound, missing(req.Model))
		return
	case s.embeds:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("%q does not support chat", req.Model))
		return
	case len(req.Messages) == 0:
		s.load(req, options.context)
		reply(w, chatResponse{Model: req.Model, CreatedAt: time.Now().UTC(), Message: &message{Role: "assistant"}, Done: true, DoneReason: "load"})
		return
	}
	fault := none
	switch {
	case !proof:
		fault = s.script.next(req.last())
	case s.script.slowed():
		fault = slowAll
	}
	held := !proof && (fault == none || fault.isSlow())
	if held {
		s.barrier.arrive()
		defer s.barrier.leave()
	}
	s.recorder.want()
	if held && !Hold(r.Context(), s.config.pass, s.passing()) || s.slots.Acquire(r.Context(), 1) != nil {
		s.recorder.giveUp()
		s.gone()
	}
	defer s.slots.Release(1)
	s.recorder.begin()
	defer s.recorder.end()
	s.load(req, options.context)
	if held {
		s.barrier.begin()
		defer s.barrier.end()
		if !s.barrier.pass(r.Context()) {
			s.gone()
		}
	}
	a := answer{request: req, options: options, arrived: arrived, began: time.Now()}
	if s.startFault == startNoFirstAnswer {
		fault = hang
	}
	s.work(w, r, &a, fault)
	if a.sent {
		s.recorder.change(func(rec *Record) { s.recorder.answered(rec, proof) })
	}
}

// work answers the request in its slot, or injects the fault.
func (s *server) work(w http.ResponseWriter, r *http.Request, a *answer, fault kind) {
	if fault != none && !a.request.proof() {
		s.recorder.struck(fault)
	}
	if fault == spinAll {
		for r.Context().Err() == nil {
		}
	}
	if fault == hang || fault == hangAll || fault == spinAll {
		<-r.Context().Done()
		s.gone()
	}
	delay := s.delay
	if fault.isSlow() {
		delay = 10 * max(delay, 10*time.Millisecond)
	}
	if !s.wait(r, delay) {
		s.gone()
	}
	if fault != none && !fault.isSlow() {
		s.fail(w, r, a, fault)
		return
	}
	if message := a.generate(s.generation); message != "" {
		refuse(w, http.StatusBadRequest, message)
		return
	}
	if s.answerBytes > 0 && !a.request.proof() {
		if err := a.sendLong(w, s.answerBytes); err != nil {
			s.gone()
		}
		a.sent = true
		return
	}
	a.applyFormat(s)
	if err := a.send(w, a.lines()); err != nil {
		s.gone()
	}
	a.sent = true
}

// answer is an answer in progress.
type answer struct {
	request        *chatRequest
	options        sampling
	arrived, began time.Time
	sent           bool

	generation
	prompt   int // number of tokens
	said     message
	logprobs []logprob
}

// generate generates the answer. It returns an error text if that is impossible.
func (a *answer) generate(gen string) (refusal string) {
	a.prompt = a.request.tokens()
	limit := math.MaxInt
	if a.options.predict > 0 {
		limit = a.options.predict
	}
	// The new generation needs room for at least one token of the answer.
	if tooLong := a.prompt > a.options.context || gen == newGeneration && a.prompt == a.options.context; tooLong {
		if t := a.request.Truncate; t != nil && !*t {
			return contextExceeded(gen, a.prompt, a.options.context)
		}
		// By default the middle of the prompt is silently lost. The end of the prompt remains, and the answer depends
		// only on the end.
		a.prompt = a.options.context
		if gen == newGeneration {
			a.prompt = a.options.context/2 + 3
		}
	}
	if shift := a.request.Shift; shift != nil && !*shift {
		limit = min(limit, max(a.options.context-a.prompt, 1))
	}
	content := a.request.last()
	last := byte(' ')
	if content != "" {
		last = content[len(content)-1]
	}
	a.generation = generate(last, limit, a.options.stop)
	return ""
}

// contextExceeded returns the generation's message for a prompt that is too long.
func contextExceeded(gen string, prompt, context int) string {
	if gen == oldGeneration {
		return "the input length exceeds the context length"
	}
	var body struct {
		Error struct {
			Code         int    `json:"code"`
			Message      string `json:"message"`
			Type         string `json:"type"`
			PromptTokens int    `json:"n_prompt_tokens"`
			Context      int    `json:"n_ctx"`
		} `json:"error"`
	}
	body.Error.Code = http.StatusBadRequest
	body.Error.Message = fmt.Sprintf("request (%d tokens) exceeds the available context size (%d tokens), try increasing it", prompt, context)
	body.Error.Type = "exceed_context_size_error"
	body.Error.PromptTokens, body.Error.Context = prompt, context
	return string(asJSON(body))
}

// lines returns the answer as one line, or, for a stream, one line per character and one for the end.
func (a *answer) lines() [][]byte {
	line := chatResponse{Model: a.request.Model, Message: &message{Role: "assistant"}}
	var lines [][]byte
	add := func() {
		line.CreatedAt = time.Now().UTC()
		data := line
		if a.request.Prompt != "" {
			text := line.Message.Content
			data.Message, data.Response = nil, &text
		}
		lines = append(lines, append(asJSON(data), '\n'))
	}
	if a.said.Role != "" {
		line.Message, line.Logprobs = &a.said, a.logprobs
	} else { // the answer of a fault
		line.Message.Content = a.text
	}
	if a.streams() {
		for _, c := range a.text {
			line.Message.Content = string(c)
			add()
		}
		line.Message.Content = ""
	}
	line.Done, line.DoneReason = true, a.reason
	line.metrics = measure(a.arrived, a.began, a.prompt, a.tokens)
	add()
	return lines
}

func (a *answer) streams() bool { return a.request.Stream == nil || *a.request.Stream }

// send writes the lines as Ollama does, each at once.
func (a *answer) send(w http.ResponseWriter, lines [][]byte) error {
	if !a.streams() {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, err := w.Write(lines[0])
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	for _, line := range lines {
		if _, err := w.Write(line); err != nil {
			return err
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
	}
	return nil
}

// load records the load that a real server would need for the request.
func (s *server) load(req *chatRequest, context int) {
	spelling, set := req.runnerOptions(s.generation, context)
	s.recorder.options(spelling, set)
	if s.models.load(loadedModel{name: req.Model, context: context, spelling: spelling}) {
		s.recorder.change(func(rec *Record) { rec.Loads++ })
	}
}

// gone ends a chat request whose client or server went away before the answer. It does not return.
func (s *server) gone() {
	s.recorder.change(func(rec *Record) { rec.Gone++ })
	panic(http.ErrAbortHandler)
}

// wait waits for d. It returns false if the request or the server ends first.
func (s *server) wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	select {
	case <-s.ending: // requests notice the end one after the other, and a slot that the first one frees must not serve the next
		return false
	default:
		return r.Context().Err() == nil
	}
}

// readRequest reads a body; the body is nil if it is incomplete.
func readRequest(r *http.Request) (*chatRequest, []byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, nil, err
	}
	var req chatRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, body, err
	}
	return &req, body, nil
}

func missing(model string) string { return fmt.Sprintf("model '%s' not found", model) }

// reply sends one JSON object.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Write(asJSON(v))
}

// refuse sends an error as Ollama does.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(asJSON(map[string]string{"error": message}))
}

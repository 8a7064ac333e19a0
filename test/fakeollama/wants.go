package fakeollama

import (
	"encoding/json"
	"net/http"
	"sync"
)

// wants holds the parts of a chat request for more than text.
type wants struct {
	Format json.RawMessage `json:"format"`
	Tools  []struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
	Think    json.RawMessage `json:"think"`
	Logprobs bool            `json:"logprobs"`
}

type toolCall struct {
	Function struct {
		Index     int             `json:"index"`
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`
}

type logprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// invalidAnswers counts how often a request with a format got invalid JSON, by its last message.
type invalidAnswers struct {
	mu     sync.Mutex
	before map[string]int
}

// next reports whether the answer must be invalid JSON again; each message gets limit such answers.
func (m *invalidAnswers) next(message string, limit int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before[message] >= limit {
		return false
	}
	if m.before == nil {
		m.before = make(map[string]int)
	}
	m.before[message]++
	return true
}

// applyFormat converts the generated text to the requested kind of answer: with a format, the default of its schema or
// an object that holds the text, or the bare text as long as --misfits requires; with tools, a call of the first tool
// with the text.
func (a *answer) applyFormat(s *server) {
	r := a.request
	a.said = message{Role: "assistant", Content: a.text}
	if think := string(r.Think); think != "" && think != "false" && think != "null" {
		a.said.Thinking = "let me see"
	}
	switch {
	case len(r.Format) > 0 && !s.invalidAnswers.next(r.last(), s.maxInvalidAnswers):
		var schema struct{ Default json.RawMessage }
		if json.Unmarshal(r.Format, &schema) != nil || schema.Default == nil { // "json" has none
			schema.Default = asJSON(map[string]string{"text": a.text})
		}
		a.said.Content = string(schema.Default)
	case len(r.Format) == 0 && len(r.Tools) > 0:
		var call toolCall
		call.Function.Name, call.Function.Arguments = r.Tools[0].Function.Name, asJSON(map[string]string{"text": a.text})
		a.said.Content, a.said.ToolCalls = "", []toolCall{call}
	}
	if r.Logprobs {
		for _, c := range a.said.Content {
			a.logprobs = append(a.logprobs, logprob{Token: string(c), Logprob: -0.5, Bytes: []int{int(c)}})
		}
	}
}

// embed answers /api/embed with a vector for each text: the length in bytes, the last byte, and 1.
func (s *server) embed(w http.ResponseWriter, r *http.Request) {
	body, _, err := readRequest(r)
	var input []string
	if err == nil {
		err = json.Unmarshal(body.Input, &input)
	}
	var options sampling
	if err == nil {
		options, err = body.sampling(s.context)
	}
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, err.Error())
		return
	case !s.models.has(body.Model):
		refuse(w, http.StatusNotFound, missing(body.Model))
		return
	case !s.embeds && s.generation == newGeneration:
		refuse(w, http.StatusNotImplemented, "This server does not support embeddings. Start it with `--embeddings`")
		return
	}
	s.load(body, options.context)
	vectors, tokens := [][]float64{}, 0
	for _, text := range input {
		vectors = append(vectors, []float64{float64(len(text)), float64(text[len(text)-1]), 1})
		tokens += 1 + len(text)
	}
	reply(w, map[string]any{"model": body.Model, "embeddings": vectors, "prompt_eval_count": tokens, "total_duration": 1000})
}

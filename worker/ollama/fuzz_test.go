package ollama

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"testing"

	"fluxworker/worker/prompt"
)

// sentRequest spells out what a server is sent, and nothing else may be.
type sentRequest struct {
	Model    string `json:"model"`
	Messages []struct {
		Role    string   `json:"role"`
		Content string   `json:"content"`
		Images  [][]byte `json:"images"`
	} `json:"messages"`
	Stream   *bool        `json:"stream"`
	Think    *bool        `json:"think"`
	Truncate *bool        `json:"truncate"`
	Shift    *bool        `json:"shift"`
	Options  *sentOptions `json:"options"`
}

// sentOptions are pointers, so that one that is not there is told from zero.
type sentOptions struct {
	Context          *int     `json:"num_ctx"`
	MaxTokens        *int     `json:"num_predict"`
	Temperature      *float64 `json:"temperature"`
	TopP             *float64 `json:"top_p"`
	TopK             *int     `json:"top_k"`
	MinP             *float64 `json:"min_p"`
	Seed             *int64   `json:"seed"`
	RepeatLast       *int     `json:"repeat_last_n"`
	RepeatPenalty    *float64 `json:"repeat_penalty"`
	FrequencyPenalty *float64 `json:"frequency_penalty"`
	PresencePenalty  *float64 `json:"presence_penalty"`
	Stop             []string `json:"stop"`
}

// Whatever a row asks for arrives: every message, every option, and the context of the run.
func FuzzNative(f *testing.F) {
	for _, seed := range []string{
		`{"prompt":"a"}`, `{"custom_id":"c","system":"s","prompt":"\ud800<&>\u2028","seed":-1,"stop":["a","\""],"top_k":0,"temperature":1e-300}`,
		`{"body":{"prompt":["x"],"frequency_penalty":-2,"presence_penalty":2,"max_completion_tokens":2147483647}}`,
		`{"messages":[{"role":"developer","content":"d"},{"role":"user","content":[{"type":"image_url","image_url":"data:image/png;base64,iVBORw0KGgo="},{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,/9j/"}}]},{"role":"assistant","content":""}]}`,
	} {
		f.Add([]byte(seed), 512)
	}
	f.Fuzz(func(t *testing.T, line []byte, tokens int) {
		defaults := prompt.Defaults{Model: "m", System: "be brief", Sampling: prompt.Sampling{MaxTokens: 5, TopP: 1}}
		row, err := prompt.NewReader(bytes.NewReader(line), prompt.Options{Format: prompt.JSONL, Defaults: defaults}).Next()
		if err != nil || row.Reject != nil {
			return
		}
		r := row.Request
		data, err := json.Marshal((&Client{runner: Runner{Context: tokens}}).native(r))
		if err != nil {
			t.Fatal(err)
		}
		var sent sentRequest
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&sent); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if sent.Model != "m" || len(sent.Messages) != len(r.Messages) {
			t.Fatalf("sent %s for %+v", data, r)
		}
		for i, m := range r.Messages {
			if s := sent.Messages[i]; s.Role != m.Role || s.Content != m.Content || !reflect.DeepEqual(s.Images, m.Images) {
				t.Fatalf("message %d was sent as %+q for %+q", i, s, m)
			}
		}
		for name, said := range map[string]*bool{"stream": sent.Stream, "think": sent.Think, "truncate": sent.Truncate, "shift": sent.Shift} {
			if said == nil || *said {
				t.Fatalf("%s is not false: %s", name, data)
			}
		}
		s := r.Sampling
		seed := int64(-1)
		if s.Seed != nil {
			seed = *s.Seed
		}
		want := &sentOptions{
			Context: &tokens, MaxTokens: &s.MaxTokens, Temperature: &s.Temperature, TopP: &s.TopP, TopK: &s.TopK, MinP: new(0.0), Seed: &seed,
			RepeatLast: new(64), RepeatPenalty: new(1.0), FrequencyPenalty: &s.FrequencyPenalty, PresencePenalty: &s.PresencePenalty,
			Stop: append([]string{}, s.Stop...),
		}
		if !reflect.DeepEqual(sent.Options, want) {
			t.Fatalf("options were sent as %s for %+v", data, s)
		}
	})
}

// Whatever a server sends is either an answer or one kind of error, and an answer becomes a line with all of it.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []struct {
		status int
		body   string
	}{
		{200, complete}, {200, `{"done":false}`}, {200, `{"done":true,"done_reason":"load"}`}, {200, `{"done":true}`}, {200, `null`}, {200, ``}, {200, "{}{}"},
		{200, `{"done":true,"done_reason":"length","prompt_eval_count":500,"eval_count":12,"message":{"content":"\ud800"}}`},
		{200, `{"done":true,"done_reason":"stop","created_at":"9999-12-31T23:59:59+23:59","total_duration":-9223372036854775808}`},
		{400, `{"error":"the input length exceeds the context length"}`}, {400, `{"error":"{\"error\":{\"message\":\"exceeds the available context size\"}}"}`},
		{404, `{"error":"model 'x' not found"}`}, {500, `{"error":"failed to create new sequence: image: unknown format"}`}, {503, `busy`}, {429, ``}, {302, ``}, {204, ``},
	} {
		f.Add(seed.status, []byte(seed.body), 100)
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, maxTokens int) {
		r := request()
		r.Sampling.MaxTokens = maxTokens
		a, err := (&Client{runner: Runner{Context: 512}}).interpret(context.Background(), status, body, r)
		if (a == nil) != (err != nil) {
			t.Fatalf("HTTP %d: %+v and %v", status, a, err)
		}
		var refused *RequestError
		var down *UnavailableError
		kinds := 0
		for _, is := range []bool{err == nil, errors.As(err, &refused), errors.As(err, &down), errors.Is(err, ErrModelMissing)} {
			if is {
				kinds++
			}
		}
		if kinds != 1 || err == nil && status != 200 {
			t.Fatalf("HTTP %d is of %d kinds: %+v, %v", status, kinds, a, err)
		}
		if err != nil && err.Error() == "" {
			t.Fatalf("HTTP %d: an error that says nothing", status)
		}
		if refused != nil {
			if data, err := json.Marshal(refused.Body()); err != nil || refused.Status < 400 || refused.Status > 499 || refused.Code == "" {
				t.Fatalf("HTTP %d: %+v, %s, %v", status, refused, data, err)
			}
		}
		if a != nil {
			checkCompletion(t, a, body, r)
		}
	})
}

// checkCompletion compares the line of an answer with what the server sent.
func checkCompletion(t *testing.T, a *Answer, body []byte, r prompt.Request) {
	var sent struct {
		Message struct{ Content string }
		Reason  string `json:"done_reason"`
		In      int    `json:"prompt_eval_count"`
		Out     int    `json:"eval_count"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range []prompt.Endpoint{prompt.Chat, prompt.Completions} {
		r.Endpoint = endpoint
		data, err := json.Marshal(a.Completion(prompt.Row{Request: r}))
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Choices []struct {
				Message *struct{ Content string }
				Text    *string
				Reason  string `json:"finish_reason"`
			}
			Usage Usage
		}
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(&c); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		text := c.Choices[0].Text
		if m := c.Choices[0].Message; endpoint == prompt.Chat && m != nil {
			text = &m.Content
		}
		if len(c.Choices) != 1 || text == nil || *text != sent.Message.Content || c.Choices[0].Reason != sent.Reason ||
			sent.Reason != "stop" && sent.Reason != "length" || c.Usage != (Usage{sent.In, sent.Out, sent.In + sent.Out}) {
			t.Fatalf("%s became %s", body, data)
		}
	}
}

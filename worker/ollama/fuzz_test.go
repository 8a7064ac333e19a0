package ollama

import (
	"bytes"
	"cmp"
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

		Thinking string `json:"thinking"`
		Calls    []any  `json:"tool_calls"`
		CallID   string `json:"tool_call_id"`
		ToolName string `json:"tool_name"`
	} `json:"messages"`
	Tools    []any        `json:"tools"`
	Format   any          `json:"format"`
	Logprobs bool         `json:"logprobs"`
	Top      int          `json:"top_logprobs"`
	Stream   *bool        `json:"stream"`
	Think    any          `json:"think"`
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
		if err != nil || row.Reject != nil || row.Request.Endpoint != prompt.Chat {
			return
		}
		r := row.Request
		data, err := json.Marshal((&Client{runner: Runner{Context: tokens}}).chat(&r))
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
			if s := sent.Messages[i]; s.Role != m.Role || s.Content != m.Content || !reflect.DeepEqual(s.Images, m.Images) ||
				s.Thinking != m.Reasoning || len(s.Calls) != len(m.ToolCalls) || s.CallID != m.ToolCallID || s.ToolName != m.ToolName {
				t.Fatalf("message %d was sent as %+q for %+q", i, s, m)
			}
		}
		for name, said := range map[string]*bool{"stream": sent.Stream, "truncate": sent.Truncate, "shift": sent.Shift} {
			if said == nil || *said {
				t.Fatalf("%s is not false: %s", name, data)
			}
		}
		think := any(false)
		if r.Thinking != prompt.NoThinking {
			think = string(r.Thinking)
		}
		if sent.Think != think || len(sent.Tools) != len(r.Tools) || (sent.Format != nil) != (r.Structure != nil) || sent.Logprobs != (r.Logprobs != nil) {
			t.Fatalf("sent %s for %+v", data, r)
		}
		s := r.Sampling
		seed := int64(-1)
		if s.Seed != nil {
			seed = *s.Seed
		}
		want := &sentOptions{
			Context: &tokens, MaxTokens: &s.MaxTokens, Temperature: &s.Temperature, TopP: &s.TopP, TopK: &s.TopK, MinP: &s.MinP, Seed: &seed,
			RepeatLast: cmp.Or(s.RepeatLastN, new(64)), RepeatPenalty: new(cmp.Or(s.RepeatPenalty, 1)), FrequencyPenalty: &s.FrequencyPenalty, PresencePenalty: &s.PresencePenalty,
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
		a, err := (&Client{runner: Runner{Context: 512}}).interpret(context.Background(), status, body, &r)
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
		Message struct {
			Content string
			Calls   []any `json:"tool_calls"`
		}
		Reason string `json:"done_reason"`
		In     int    `json:"prompt_eval_count"`
		Out    int    `json:"eval_count"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range []prompt.Endpoint{prompt.Chat, prompt.Completions} {
		r.Endpoint = endpoint
		data, err := json.Marshal(Body(prompt.Row{Request: r}, []*Answer{a}))
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
		reason := sent.Reason
		if endpoint == prompt.Chat && len(sent.Message.Calls) > 0 && reason == "stop" {
			reason = "tool_calls"
		}
		text := c.Choices[0].Text
		if m := c.Choices[0].Message; endpoint == prompt.Chat && m != nil {
			text = &m.Content
		}
		if len(c.Choices) != 1 || text == nil || *text != sent.Message.Content || c.Choices[0].Reason != reason ||
			sent.Reason != "stop" && sent.Reason != "length" || c.Usage.PromptTokens != sent.In || c.Usage.CompletionTokens != sent.Out || c.Usage.TotalTokens != sent.In+sent.Out {
			t.Fatalf("%s became %s", body, data)
		}
	}
}

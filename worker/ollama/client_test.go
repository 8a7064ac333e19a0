package ollama

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fluxworker/worker/prompt"
)

// ask sends one request to a server that answers with status and body, and returns what the server was sent.
func ask(t *testing.T, r prompt.Request, status int, body string) (*Answer, map[string]any, error) {
	t.Helper()
	var sent map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		data, _ := io.ReadAll(req.Body)
		if err := json.Unmarshal(data, &sent); err != nil {
			t.Errorf("the request is no JSON: %v", err)
		}
		if req.Method != http.MethodPost || req.URL.Path != nativePaths[r.Endpoint] {
			t.Errorf("asked %s %s", req.Method, req.URL.Path)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	defer server.Close()
	c, err := NewClient(server.URL, 1, Runner{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a, err := c.Ask(t.Context(), r)
	return a, sent, err
}

var nativePaths = map[prompt.Endpoint]string{
	prompt.Chat: "/api/chat", prompt.Completions: "/api/generate", prompt.Embeddings: "/api/embed",
}

func request() prompt.Request {
	return prompt.Request{
		Endpoint: prompt.Chat,
		Model:    "bigram",
		Messages: []prompt.Message{{Role: "system", Content: "s"}, {Role: "user", Content: "x 3"}},
		Sampling: prompt.Sampling{MaxTokens: 100, Temperature: 0.5, TopP: 0.9, TopK: 40},
	}
}

const complete = `{"model":"bigram","created_at":"2026-11-23T23:09:11Z","message":{"role":"assistant","content":"456"},"done":true,` +
	`"done_reason":"stop","total_duration":13229345,"load_duration":3894795,"prompt_eval_count":4,"prompt_eval_duration":1098576,"eval_count":33,"eval_duration":6326241}`

func TestAskSendsEveryOptionAndForbidsCuts(t *testing.T) {
	r := request()
	seed := int64(7)
	r.Sampling.Seed, r.Sampling.Stop = &seed, []string{"END"}
	_, sent, err := ask(t, r, 200, complete)
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]any{"model": "bigram", "stream": false, "truncate": false, "shift": false, "think": false} {
		if got, there := sent[field]; !there || got != want {
			t.Errorf("%s is %v (there: %t), want %v", field, got, there, want)
		}
	}
	options := sent["options"].(map[string]any)
	for name, want := range map[string]any{
		"num_ctx": 512.0, "num_predict": 100.0, "temperature": 0.5, "top_p": 0.9, "top_k": 40.0, "min_p": 0.0, "seed": 7.0,
		"repeat_penalty": 1.0, "repeat_last_n": 64.0, "frequency_penalty": 0.0, "presence_penalty": 0.0,
	} {
		if got, there := options[name]; !there || got != want {
			t.Errorf("options.%s is %v (there: %t), want %v", name, got, there, want)
		}
	}
	if _, there := options["typical_p"]; there {
		t.Error("typical_p is sent; the new generation refuses it")
	}
	_, sent, err = ask(t, request(), 200, complete)
	if err != nil {
		t.Fatal(err)
	}
	options = sent["options"].(map[string]any)
	if stop, ok := options["stop"].([]any); !ok || len(stop) != 0 || options["seed"] != -1.0 {
		t.Errorf("without stop and seed: stop %v, seed %v; want an empty list and -1", options["stop"], options["seed"])
	}
}

func TestAskTellsWhoIsToBlame(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		code   string // of a RequestError
		down   bool   // an UnavailableError
		is     error
		text   string
	}{
		{"too long, old generation", 400, `{"error":"the input length exceeds the context length"}`, CodeContextLength, false, nil, "input length exceeds"},
		{"too long, new generation", 400, `{"error":"{\"error\":{\"code\":400,\"message\":\"request (903 tokens) exceeds the available context size (512 tokens), try increasing it\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":903,\"n_ctx\":512}}"}`, CodeContextLength, false, nil, "request (903 tokens) exceeds"},
		{"refused", 400, `{"error":"nobody knows why"}`, CodeInvalidRequest, false, nil, "nobody knows why"},
		{"knows no tools", 400, `{"error":"bigram does not support tools"}`, CodeInvalidRequest, false, nil, "does not support tools; remove tools, or choose a model"},
		{"does not think", 400, `{"error":"\"bigram\" does not support thinking"}`, CodeInvalidRequest, false, nil, "does not support thinking; remove reasoning_effort, or"},
		{"fills no gap", 400, `{"error":"bigram does not support insert"}`, CodeInvalidRequest, false, nil, "does not support insert; remove suffix, or"},
		{"does not write", 400, `{"error":"\"embedder\" does not support chat"}`, CodeInvalidRequest, false, nil, "does not support chat; it makes embeddings only"},
		{"refused without JSON", 400, `nope`, CodeInvalidRequest, false, nil, "nope"},
		{"model missing", 404, `{"error":"model 'x' not found"}`, "", false, ErrModelMissing, "model 'x' not found"},
		{"runner crashed", 500, `{"error":"model runner has unexpectedly stopped"}`, "", true, nil, "server answered 500: model runner"},
		{"busy", 503, `{"error":"server busy"}`, "", true, nil, "server busy"},
		{"rate", 429, `{}`, "", true, nil, "429"},
		{"login", 401, `who are you?`, "", true, nil, "server answered 401: \"who are you?\""},
		{"forbidden", 403, ``, "", true, nil, "server answered 403: it gave no reason"},
		{"redirected to nowhere", 302, ``, "", true, nil, "302"},
		{"no content", 204, ``, "", true, nil, "204"},
		{"broken off without a reason", 200, `{"done":true,"message":{"content":"45"}}`, "", true, nil, "incomplete"},
		{"garbage", 200, `<html>`, "", true, nil, "not JSON"},
		{"empty", 200, ``, "", true, nil, "not JSON"},
		{"gave up", 200, `{"done":false,"message":{"content":"45"}}`, "", true, nil, "incomplete"},
		{"only loaded", 200, `{"done":true,"done_reason":"load"}`, "", true, nil, "incomplete"},
		{"cut by the context", 200, `{"done":true,"done_reason":"length","prompt_eval_count":500,"eval_count":12,"message":{"content":"4"}}`, CodeContextLength, false, nil, "prompt has 500 and the context length is 512"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ask(t, request(), tt.status, tt.body)
			var refused *RequestError
			var down *UnavailableError
			switch {
			case tt.code != "":
				if !errors.As(err, &refused) || refused.Code != tt.code || refused.Status != 400 {
					t.Errorf("got %v (%T), want a RequestError with code %s", err, err, tt.code)
				}
			case tt.down:
				if !errors.As(err, &down) {
					t.Errorf("got %v (%T), want an UnavailableError", err, err)
				}
			default:
				if !errors.Is(err, tt.is) {
					t.Errorf("got %v, want %v", err, tt.is)
				}
			}
			if err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%q does not say %q", err, tt.text)
			}
		})
	}
}

// What the model said is to blame where the server cannot read it, and neither the row nor the server.
func TestAskTellsAnswersThatTheServerCannotRead(t *testing.T) {
	for _, said := range []string{
		`llama-server returned invalid tool call arguments for "get_weather": unexpected end of JSON input`,
		`llama-server chat error: {"code":500,"message":"The model produced output that does not match the expected peg-native format","type":"server_error"}`,
	} {
		body, _ := json.Marshal(map[string]string{"error": said})
		_, _, err := ask(t, request(), 500, string(body))
		var invalidToolCalls *AnswerError
		if !errors.As(err, &invalidToolCalls) || invalidToolCalls.Message != said {
			t.Errorf("got %v (%T), want an AnswerError with %q", err, err, said)
		}
	}
}

func TestAskEndsByMaxTokens(t *testing.T) {
	r := request()
	r.Sampling.MaxTokens = 12
	a, _, err := ask(t, r, 200, `{"done":true,"done_reason":"length","prompt_eval_count":500,"eval_count":12,"message":{"content":"4"}}`)
	if err != nil || a.FinishReason != "length" {
		t.Errorf("got %+v, %v; want finish_reason length: the row's own limit was reached", a, err)
	}
}

func TestAskTimesOutAndIsCancelled(t *testing.T) {
	asked := make(chan struct{}, 2)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // the server notices a broken connection only then
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	c, err := NewClient(server.URL, 1, Runner{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Ask(ctx, request())
	var down *UnavailableError
	if !errors.As(err, &down) || !strings.Contains(err.Error(), "request timeout") {
		t.Errorf("timed out: %v, want an UnavailableError that names the timeout", err)
	}
	<-asked

	ctx, cancel = context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err = c.Ask(ctx, request()); !errors.Is(err, context.Canceled) || errors.As(err, &down) {
		t.Errorf("cancelled: %v, want context.Canceled alone", err)
	}
}

func TestCompletion(t *testing.T) {
	row := prompt.Row{Request: request()}
	row.Key[0], row.Key[15] = 0xab, 0xcd
	tests := []struct {
		endpoint prompt.Endpoint
		want     string
	}{
		{prompt.Chat, `{"id":"chatcmpl-ab0000000000000000000000000000cd","object":"chat.completion","created":1795475351,"model":"bigram",` +
			`"choices":[{"index":0,"message":{"role":"assistant","content":"456","refusal":null},"logprobs":null,"finish_reason":"stop"}],` +
			`"usage":{"prompt_tokens":4,"completion_tokens":33,"total_tokens":37},` +
			`"timings":{"total_ms":13.229,"load_ms":3.894,"prompt_ms":1.098,"generation_ms":6.326}}`},
		{prompt.Completions, `{"id":"cmpl-ab0000000000000000000000000000cd","object":"text_completion","created":1795475351,"model":"bigram",` +
			`"choices":[{"index":0,"text":"456","logprobs":null,"finish_reason":"stop"}],` +
			`"usage":{"prompt_tokens":4,"completion_tokens":33,"total_tokens":37},` +
			`"timings":{"total_ms":13.229,"load_ms":3.894,"prompt_ms":1.098,"generation_ms":6.326}}`},
	}
	for _, tt := range tests {
		row.Request.Endpoint = tt.endpoint
		sent := complete
		if tt.endpoint == prompt.Completions {
			sent = strings.Replace(complete, `"message":{"role":"assistant","content":"456"}`, `"response":"456"`, 1)
		}
		a, _, err := ask(t, row.Request, 200, sent)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(Body(row, []*Answer{a}))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s:\n%s, %v\nwant\n%s", tt.endpoint, got, err, tt.want)
		}
	}
	body, _ := json.Marshal((&RequestError{Status: 400, Code: CodeContextLength, Message: "too long"}).Body())
	if want := `{"error":{"message":"too long","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}`; string(body) != want {
		t.Errorf("error body %s, want %s", body, want)
	}
}

func TestCheckVersion(t *testing.T) {
	for version, ok := range map[string]bool{
		"0.17.4": true, "0.24.0": true, "0.34.3": true, "1.0.0": true, "0.0.0": true, "0.30.0-rc1": true,
		"0.17.3": false, "0.5.12": false, "": false, "dev": false,
	} {
		if err := checkVersion(version); (err == nil) != ok {
			t.Errorf("version %q: %v", version, err)
		}
	}
}

func TestNewClientChecksTheAddress(t *testing.T) {
	for _, address := range []string{"", "localhost:11434", "ftp://x", "://"} {
		if _, err := NewClient(address, 1, Runner{Context: 1}); err == nil {
			t.Errorf("%q was accepted", address)
		}
	}
}

package openai

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	fast "fluxworker/worker/json"
	"fluxworker/worker/ollama"
	"fluxworker/worker/prompt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asked returns what a client makes of a response.
func asked(t *testing.T, respond http.HandlerFunc) (*ollama.Answer, error) {
	t.Helper()
	server := httptest.NewServer(respond)
	defer server.Close()
	c, err := NewClient(server.URL+"/v1/", 1, "secret", "m")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	room := ollama.NewBudget(ollama.MinBudget).NewRoom(0)
	defer room.Release()
	return c.AskWithin(context.Background(), time.Minute, prompt.Request{Endpoint: prompt.Chat, Body: []byte(`{"a":1}`)}, room)
}

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		body   string
		want   ollama.Answer
		others int
	}{
		{`{ "choices": [{"message":{"content":"a \u00e9"},"finish_reason":"stop"}], "usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1}} }`,
			ollama.Answer{Text: "a é", FinishReason: "stop", PromptTokens: 3, CompletionTokens: 2, CachedTokens: 1}, 0},
		{`{"choices":[{"text":"a","finish_reason":"stop"},{"text":"b","finish_reason":"length"}],"usage":{"prompt_tokens":-3,"prompt_tokens_details":null}}`, ollama.Answer{Text: "a", FinishReason: "length"}, 1},
		{`{"choices":[{"message":{"content":null,"tool_calls":[{"id":"1"}]},"finish_reason":"tool_calls"}]}`, ollama.Answer{FinishReason: "stop"}, 0},
		{`{"choices":[{"message":{"content":null,"reasoning_content":"r","tool_calls":[]},"finish_reason":"length"}]}`, ollama.Answer{FinishReason: "length", Blank: true}, 0},
		{`{"status":"incomplete","output":[],"usage":{"input_tokens":4,"output_tokens":5}}`, ollama.Answer{FinishReason: "length", PromptTokens: 4, CompletionTokens: 5}, 0},
		{`{"data":[{"score":0.10}]}`, ollama.Answer{FinishReason: "stop"}, 0},
		{`{"status":"completed","output":[],"error":null}`, ollama.Answer{FinishReason: "stop"}, 0},
		{`{"score":0.5,"error":""}`, ollama.Answer{FinishReason: "stop"}, 0},
		{"{\"choices\":[{\"text\":\"half a character: \xc3\",\"finish_reason\":\"length\"}]}", ollama.Answer{Text: "half a character: \ufffd", FinishReason: "length"}, 0},
		{`[1, 2.50]`, ollama.Answer{FinishReason: "stop"}, 0},
	} {
		a, err := asked(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer secret" {
				t.Errorf("asked %s with %q", r.URL.Path, r.Header.Get("Authorization"))
			}
			w.Write([]byte(test.body))
		})
		if err != nil {
			t.Errorf("%s: %v", test.body, err)
			continue
		}
		if body := strings.ToValidUTF8(string(fast.Compact([]byte(test.body))), "\ufffd"); string(a.Body) != body {
			t.Errorf("the body is %s, want %s", a.Body, body)
		}
		if a.Text != test.want.Text || a.FinishReason != test.want.FinishReason || a.PromptTokens != test.want.PromptTokens ||
			a.CompletionTokens != test.want.CompletionTokens || a.CachedTokens != test.want.CachedTokens || a.Empty() != test.want.Blank || len(a.Others) != test.others {
			t.Errorf("%s: %+v", test.body, a)
		}
	}
}

func TestFailures(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		header string
		body   string
		row    bool          // the row is at fault
		pause  time.Duration // at least; of a busy server
		part   string        // of the message
	}{
		{"a refusal of vLLM", 400, "", `{"error": {"message": "too long", "type": "BadRequestError", "code": 400}}`, true, 0, "too long"},
		{"a server that repeats the request", 400, "", `{"error":{"message":"too long: ` + strings.Repeat("x", 20000) + `"}}`, true, 0, "too long"},
		{"an older vLLM", 400, "", `{"object":"error","message":"too long","type":"BadRequestError","code":400}`, true, 0, "too long"},
		{"a path that is not there", 404, "", `{"detail":"Not Found"}`, true, 0, "Not Found"},
		{"a text", 422, "", `no JSON`, true, 0, "no JSON"},
		{"not implemented", 501, "", `{"error":{"message":"no suffix"}}`, true, 0, "no suffix"},
		{"busy for seconds", 429, "2", `{}`, false, 2 * time.Second, ""},
		{"busy until a date", 503, time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), `{}`, false, 50 * time.Minute, ""},
		{"busy without a time", 429, "", `{"error":"wait"}`, false, busyPause, "wait"},
		{"loading", 503, "", `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, false, 0, "Loading model"},
		{"a wrong key", 401, "", `{"error":"Unauthorized"}`, false, 0, "Unauthorized"},
		{"an empty account", 402, "", `{"error":{"message":"Insufficient Balance"}}`, false, 0, "Insufficient Balance"},
		{"an ill server", 500, "9", ``, false, 0, "no reason"},
		{"an answer that is no JSON", 200, "", `{"choices":`, false, 0, "not JSON"},
		{"LM Studio without the path", 200, "", `{"error":"Unexpected endpoint or method. (POST /v1/score)"}`, true, 0, "Unexpected endpoint"},
		{"a response that failed", 200, "", `{"status":"failed","output":[],"error":{"code":"invalid_image","message":"no image"}}`, true, 0, "no image"},
		{"a response that the server failed", 200, "", `{"status":"failed","output":[],"error":{"code":"server_error","message":"ill"}}`, false, 0, "answered 500: ill"},
		{"a gateway whose server is ill", 200, "", `{"error":{"code":502,"message":"upstream"}}`, false, 0, "answered 502: upstream"},
		{"a busy gateway", 200, "", `{"error":{"code":429,"message":"later"}}`, false, busyPause, "later"},
		{"an aborted answer", 200, "", `{"choices":[{"text":"a","finish_reason":"abort"}]}`, false, 0, "abort"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := asked(t, func(w http.ResponseWriter, _ *http.Request) {
				if test.header != "" {
					w.Header().Set("Retry-After", test.header)
				}
				w.WriteHeader(test.status)
				w.Write([]byte(test.body))
			})
			if err == nil || !strings.Contains(err.Error(), test.part) || strings.Contains(err.Error(), "secret") {
				t.Fatalf("%v, want %q", err, test.part)
			}
			if len(err.Error()) > 400 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
			refused, row := errors.AsType[*ollama.RequestError](err)
			down, unavailable := errors.AsType[*ollama.UnavailableError](err)
			switch {
			case row != test.row || unavailable == test.row:
				t.Errorf("%T", err)
			case row && refused.Status != test.status && (test.status != http.StatusOK || refused.Status != http.StatusUnprocessableEntity):
				t.Errorf("status %d", refused.Status)
			case row && (refused.Raw == nil) != (test.body == "no JSON"):
				t.Errorf("the body of the error is %s", refused.Raw)
			case unavailable && (down.RetryAfter < test.pause || test.pause == 0 && down.RetryAfter != 0):
				t.Errorf("the pause is %s, want %s", down.RetryAfter, test.pause)
			}
		})
	}
}

// A server that loads its model is waited for.
func TestWaitAnswering(t *testing.T) {
	const loading = 3
	health, models := 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			models++
			w.Write([]byte(`{"data":[{"id":"m"}]}`))
			return
		}
		if health++; health <= loading {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	c, err := NewClient(server.URL, 1, "", "m")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.WaitAnswering(t.Context()); err != nil || health != loading+1 || models != 1 {
		t.Errorf("%v after %d questions about its health and %d about its models", err, health, models)
	}
}

// The address of a server that runs already is checked at once: a user waits for no time limit.
func TestWrongAddresses(t *testing.T) {
	models := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/v1/models") {
				w.WriteHeader(status)
				w.Write([]byte(body))
			}
		}
	}
	quiet := log.New(io.Discard, "", 0)
	plain, page, unknown := httptest.NewServer(models(404, "{}")), httptest.NewServer(models(200, "<html>")), httptest.NewUnstartedServer(models(200, "{}"))
	unknown.Config.ErrorLog = quiet
	unknown.StartTLS()
	defer plain.Close()
	defer page.Close()
	defer unknown.Close()
	var all sync.WaitGroup
	for address, part := range map[string]string{
		plain.URL + "/v1/chat/completions": "/v1/chat/completions: this is no server of OpenAI's API: /v1/models answers 404",
		page.URL:                           "/v1/models answers no list of models",
		strings.Replace(unknown.URL, "https", "http", 1): "/v1/models answers 400",
		strings.Replace(plain.URL, "http", "https", 1):   "correct the address",
		unknown.URL: "SSL_CERT_FILE",
	} {
		all.Go(func() {
			c, err := NewClient(address, 1, "", "m")
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if _, err = c.WaitAnswering(ctx); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q", address, err, part)
			}
		})
	}
	all.Wait()
}

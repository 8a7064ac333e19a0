package fakeopenai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// server answers the requests.
type server struct {
	config
	log io.Writer

	rows    atomic.Int64
	refused atomic.Int64 // with 429
	health  atomic.Int64
	active  atomic.Int64

	mu sync.Mutex // guards the file of bodies
}

func newServer(c config, log io.Writer) http.Handler {
	s := &server{config: c, log: log}
	mux := http.NewServeMux()
	if !c.noHealth {
		mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
			if s.health.Add(1) <= int64(c.loading) {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
	}
	mux.HandleFunc("GET /v1/models", s.models)
	mux.HandleFunc("POST /v1/", s.row)
	return s.guarded(mux)
}

// guarded demands the key, as vLLM does below /v1 only.
func (s *server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.key != "" && strings.HasPrefix(r.URL.Path, "/v1") && r.Header.Get("Authorization") != "Bearer "+s.key {
			s.write(w, http.StatusUnauthorized, `{"error":"Unauthorized"}`)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) models(w http.ResponseWriter, _ *http.Request) {
	s.write(w, http.StatusOK, fmt.Sprintf(`{"object":"list","data":[{"id":%q,"object":"model","created":1,"owned_by":"vllm","root":%[1]q,"max_model_len":4096}]}`, s.model))
}

// request is what the stand-in reads of a row.
type request struct {
	Model    string `json:"model"`
	Messages []struct {
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	Prompt         string          `json:"prompt"`
	N              int             `json:"n"`
	MaxTokens      int             `json:"max_tokens"`
	PromptLogprobs *int            `json:"prompt_logprobs"`
	Format         json.RawMessage `json:"response_format"`
	Stream         bool            `json:"stream"`
}

func (s *server) row(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var q request
	if err := json.Unmarshal(body, &q); err != nil {
		s.fail(w, http.StatusBadRequest, "BadRequestError", err.Error())
		return
	}
	first := q.MaxTokens == 1 && (q.Prompt == "1" || len(q.Messages) == 1 && string(q.Messages[0].Content) == `"1"`)
	if s.chatless && r.URL.Path != "/v1/score" {
		s.fail(w, http.StatusBadRequest, "BadRequestError", "The model does not support "+r.URL.Path)
		return
	}
	if first { // of the start
		s.answer(w, r.URL.Path, &q, "x")
		return
	}
	if s.redirect != "" {
		http.Redirect(w, r, s.redirect+r.URL.Path, http.StatusTemporaryRedirect)
		return
	}
	defer s.active.Add(-1)
	if active := s.active.Add(1); s.slots > 0 && active > int64(s.slots) || s.refused.Load() < int64(s.busy) {
		s.refused.Add(1)
		w.Header().Set("Retry-After", "0.05")
		s.fail(w, http.StatusTooManyRequests, "TooManyRequestsError", "the server has too many requests")
		return
	}
	if s.refused.Load() < int64(s.full) {
		s.refused.Add(1)
		s.write(w, http.StatusServiceUnavailable, `{"detail":"The request queue is full."}`)
		return
	}
	n := s.rows.Add(1)
	s.record(r.URL.Path, body)
	switch {
	case n == s.exitAt:
		fmt.Fprintln(s.log, "fakeopenai ends at row", n)
		os.Exit(1)
	case n == s.failAt:
		s.fail(w, http.StatusInternalServerError, "InternalServerError", "EngineCore encountered an issue")
	case s.refuse != "" && bytes.Contains(body, []byte(s.refuse)):
		s.fail(w, http.StatusBadRequest, "BadRequestError", "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.")
	case q.Model != s.model:
		s.fail(w, http.StatusNotFound, "NotFoundError", fmt.Sprintf("The model `%s` does not exist.", q.Model))
	case q.Stream:
		s.fail(w, http.StatusBadRequest, "BadRequestError", "no row may ask for a stream")
	default:
		s.answer(w, r.URL.Path, &q, textOf(&q))
	}
}

// textOf returns the answer to a row: the text behind "say ", or else "ok", or an object where the row wants JSON.
func textOf(q *request) string {
	prompt := q.Prompt
	for _, m := range q.Messages {
		json.Unmarshal(m.Content, &prompt)
	}
	if _, words, ok := strings.Cut(prompt, "say "); ok {
		return words
	}
	if len(q.Format) > 0 {
		return `{"n": 7}`
	}
	return "ok"
}

// answer writes an answer with white space and fields that only vLLM has.
func (s *server) answer(w http.ResponseWriter, path string, q *request, text string) {
	quoted, _ := json.Marshal(text)
	usage := `"usage": {"prompt_tokens": 5, "total_tokens": 8, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}`
	const others = `"annotations": null, "audio": null, "function_call": null, "tool_calls": [], "reasoning_content": "because"`
	switch path {
	case "/v1/chat/completions":
		logprobs := "null"
		if q.PromptLogprobs != nil {
			logprobs = `[null, {"1": {"logprob": -1.50, "rank": 1, "decoded_token": "\u00e9"}}]`
		}
		finish := "stop"
		if strings.HasSuffix(text, "cut") {
			finish = "length"
		}
		var choices []string
		for i := range max(1, q.N) {
			choices = append(choices, fmt.Sprintf(`{"index": %d, "message": {"role": "assistant", "content": %s, "refusal": null, %s}, "logprobs": null, "finish_reason": %q, "stop_reason": null, "token_ids": null}`, i, quoted, others, finish))
		}
		s.write(w, http.StatusOK, fmt.Sprintf("{\"id\": \"chatcmpl-1\", \"object\": \"chat.completion\", \"created\": 1700000000, \"model\": %q,\n \"choices\": [%s], \"service_tier\": null, \"system_fingerprint\": null, %s, \"prompt_logprobs\": %s, \"kv_transfer_params\": null}", q.Model, strings.Join(choices, ", "), usage, logprobs))
	case "/v1/completions":
		s.write(w, http.StatusOK, fmt.Sprintf(`{"id": "cmpl-1", "object": "text_completion", "created": 1700000000, "model": %q, "choices": [{"index": 0, "text": %s, "logprobs": null, "finish_reason": "length"}], %s}`, q.Model, quoted, usage))
	case "/v1/embeddings":
		s.write(w, http.StatusOK, fmt.Sprintf(`{"id": "embd-1", "object": "list", "created": 1700000000, "model": %q, "data": [{"index": 0, "object": "embedding", "embedding": [0.10, -2e-7]}], "usage": {"prompt_tokens": 4, "total_tokens": 4, "completion_tokens": 0}}`, q.Model))
	case "/v1/score":
		s.write(w, http.StatusOK, `{"id": "score-1", "object": "list", "data": [{"index": 0, "object": "score", "score": 0.50}], "usage": {"prompt_tokens": 6}}`)
	case "/v1/responses":
		s.write(w, http.StatusOK, fmt.Sprintf(`{"id": "resp_1", "object": "response", "status": "completed", "model": %q, "output": [{"type": "message", "content": [{"type": "output_text", "text": %s}]}], "usage": {"input_tokens": 5, "output_tokens": 3}}`, q.Model, quoted))
	default:
		s.write(w, http.StatusNotFound, `{"detail":"Not Found"}`)
	}
}

// fail writes an error as vLLM does.
func (s *server) fail(w http.ResponseWriter, status int, kind, message string) {
	s.write(w, status, fmt.Sprintf(`{"error": {"message": %q, "type": %q, "param": null, "code": %d}}`, message, kind, status))
}

func (s *server) write(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// record adds a row to the file of requests.
func (s *server) record(path string, body []byte) {
	if s.bodiesTo == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.OpenFile(s.bodiesTo, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(s.log, "fakeopenai:", err)
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%s %s\n", path, body)
}

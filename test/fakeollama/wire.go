package fakeollama

import (
	"encoding/json"
	"slices"
	"time"
)

// chatRequest is the body of /api/chat, /api/generate and /api/embed.
type chatRequest struct {
	Model     string                     `json:"model"`
	Prompt    string                     `json:"prompt"` // of /api/generate
	Messages  []turn                     `json:"messages"`
	Stream    *bool                      `json:"stream"`
	KeepAlive json.RawMessage            `json:"keep_alive"`
	Options   map[string]json.RawMessage `json:"options"`
	Truncate  *bool                      `json:"truncate"`
	Shift     *bool                      `json:"shift"`
	Input     json.RawMessage            `json:"input"` // of /api/embed
	wants
}

type turn struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// sampling holds the options that the rule uses.
type sampling struct {
	context int
	predict int
	stop    []string
}

// sampling reads the options; contextByDefault replaces a missing num_ctx.
func (r *chatRequest) sampling(contextByDefault int) (sampling, error) {
	s := sampling{context: contextByDefault, predict: -1}
	for name, into := range map[string]any{"num_ctx": &s.context, "num_predict": &s.predict, "stop": &s.stop} {
		if value, ok := r.Options[name]; ok {
			if err := json.Unmarshal(value, into); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// last returns the content of the last message.
func (r *chatRequest) last() string {
	if len(r.Messages) == 0 {
		return ""
	}
	return r.Messages[len(r.Messages)-1].Content
}

// proof reports whether the worker sent this request to check that answers come.
func (r *chatRequest) proof() bool {
	return len(r.Messages) == 1 && r.last() == "1" && string(r.Options["num_predict"]) == "1"
}

// tokens returns the number of tokens in the prompt, as in the bigram model: one per byte and one for the beginning.
func (r *chatRequest) tokens() int {
	n := 1
	for _, m := range r.Messages {
		n += len(m.Content)
	}
	return n
}

// runnerOptions returns the options whose change makes a server reload the model, with their canonical spelling. A
// missing option counts as the server's default, so an explicit default is the same.
func (r *chatRequest) runnerOptions(generation string, context int) (spelling string, set map[string]json.RawMessage) {
	set = map[string]json.RawMessage{"num_ctx": asJSON(context)}
	for name, value := range r.Options {
		if slices.Contains([]string{"num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict"}, name) {
			set[name] = value
		}
	}
	if generation == newGeneration { // the old generation shifts without a reload
		set["shift"] = asJSON(r.Shift == nil || *r.Shift)
	}
	return string(asJSON(set)), set
}

// chatResponse is one line of an answer, or a complete answer.
type chatResponse struct {
	Model      string    `json:"model"`
	CreatedAt  time.Time `json:"created_at"`
	Message    *message  `json:"message,omitempty"`
	Response   *string   `json:"response,omitempty"` // of /api/generate
	Done       bool      `json:"done"`
	DoneReason string    `json:"done_reason,omitempty"`
	Logprobs   []logprob `json:"logprobs,omitempty"`
	metrics
}

type message struct {
	Role      string     `json:"role"`
	Content   string     `json:"content"`
	Thinking  string     `json:"thinking,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

// metrics end a complete answer. Durations are in nanoseconds.
type metrics struct {
	TotalDuration      int64 `json:"total_duration,omitempty"`
	LoadDuration       int64 `json:"load_duration,omitempty"`
	PromptEvalCount    int   `json:"prompt_eval_count,omitempty"`
	PromptEvalDuration int64 `json:"prompt_eval_duration,omitempty"`
	EvalCount          int   `json:"eval_count,omitempty"`
	EvalDuration       int64 `json:"eval_duration,omitempty"`
}

// measure divides the time since a request's arrival: the wait for a slot counts as loading, as in Ollama, and a
// quarter of the rest as reading the prompt.
func measure(arrived, began time.Time, prompt, generated int) metrics {
	now := time.Now()
	worked := max(now.Sub(began), 4).Nanoseconds()
	return metrics{
		TotalDuration:      max(now.Sub(arrived).Nanoseconds(), worked),
		LoadDuration:       max(began.Sub(arrived).Nanoseconds(), 1),
		PromptEvalCount:    prompt,
		PromptEvalDuration: worked / 4,
		EvalCount:          generated,
		EvalDuration:       worked - worked/4,
	}
}

// asJSON encodes a value whose encoding cannot fail.
func asJSON(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

package ollama

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"

	"github.com/ollama/ollama/api"

	"fluxworker/worker/prompt"
)

// native renders a request for /api/chat. The OpenAI-compatible endpoints of the server would be nearer, but they know
// neither num_ctx nor truncate and drop options silently.
func (c *Client) native(r prompt.Request) *api.ChatRequest {
	messages := make([]api.Message, len(r.Messages))
	for i, m := range r.Messages {
		messages[i] = api.Message{Role: m.Role, Content: m.Content}
		for _, image := range m.Images {
			messages[i].Images = append(messages[i].Images, image)
		}
	}
	no := false
	return &api.ChatRequest{
		Model:    r.Model,
		Messages: messages,
		Stream:   &no,
		Options:  c.options(r.Sampling),
		Think:    &api.ThinkValue{Value: false}, // unset means true for a model that can
		// By default a prompt that is too long loses its beginning and the answer looks like any other (ollama issue 3839).
		Truncate: &no,
		Shift:    &no,
	}
}

// options names every option that changes an answer: the generations differ in their defaults (repeat_penalty is 1.1 in
// the old one and 1.0 in the new one), and a model's own parameters would decide the rest.
func (c *Client) options(s prompt.Sampling) map[string]any {
	seed := int64(-1) // a new one each time
	if s.Seed != nil {
		seed = *s.Seed
	}
	options := map[string]any{
		"num_predict":       s.MaxTokens,
		"temperature":       s.Temperature,
		"top_p":             s.TopP,
		"top_k":             s.TopK,
		"min_p":             s.MinP,
		"seed":              seed,
		"repeat_last_n":     prompt.DefaultRepeatLastN,
		"repeat_penalty":    cmp.Or(s.RepeatPenalty, prompt.DefaultRepeatPenalty),
		"frequency_penalty": s.FrequencyPenalty,
		"presence_penalty":  s.PresencePenalty,
	}
	if s.RepeatLastN != nil {
		options["repeat_last_n"] = *s.RepeatLastN
	}
	maps.Copy(options, c.runner.options())
	options["stop"] = append([]string{}, s.Stop...) // an empty list, too, wins over the model's own
	return options
}

// answer reads a complete native answer. One that ended because the context was full is a cut, not an answer: the
// row's own limit was not reached and the model had not finished.
func (c *Client) answer(n *api.ChatResponse, r prompt.Request) (*Answer, error) {
	a := &Answer{
		Text:             n.Message.Content,
		FinishReason:     n.DoneReason,
		PromptTokens:     n.PromptEvalCount,
		CompletionTokens: n.EvalCount,
		Created:          n.CreatedAt,
		Timings: Timings{
			Total: n.TotalDuration, Load: n.LoadDuration, Prompt: n.PromptEvalDuration, Generation: n.EvalDuration,
		},
	}
	if a.FinishReason == "length" && a.CompletionTokens < r.Sampling.MaxTokens && a.PromptTokens+a.CompletionTokens >= c.runner.Context {
		return nil, &RequestError{
			Status: http.StatusBadRequest,
			Code:   CodeContextLength,
			Message: fmt.Sprintf("the answer was cut after %d tokens: the prompt has %d and the context length is %d: %s",
				a.CompletionTokens, a.PromptTokens, c.runner.Context, contextHint),
			PromptTokens: a.PromptTokens, CompletionTokens: a.CompletionTokens,
		}
	}
	return a, nil
}

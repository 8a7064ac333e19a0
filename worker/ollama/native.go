package ollama

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

	"fluxworker/worker/prompt"
)

// render returns the path and body of a native API request. The server's OpenAI-compatible endpoints support neither
// num_ctx nor truncate, and silently drop options. By default Ollama cuts off the beginning of a prompt that is too
// long, and the answer looks normal (ollama issue 3839); so truncate and shift are always false.
func (c *Client) render(r *prompt.Request) (path string, body any) {
	switch r.Endpoint {
	case prompt.Embeddings:
		return "/api/embed", c.embedding(r)
	case prompt.Completions:
		return "/api/generate", c.generation(r)
	default:
		return "/api/chat", c.chat(r)
	}
}

// chat returns the body of a request to /api/chat.
func (c *Client) chat(r *prompt.Request) *chatRequest {
	n := &chatRequest{
		Model:    r.Model,
		Messages: make([]chatMessage, len(r.Messages)),
		Options:  c.options(r.Sampling),
		Think:    false, // without a value, a model with reasoning would think
		Format:   answerFormat(r.Structure),
	}
	for i, m := range r.Messages {
		n.Messages[i] = chatMessage{
			Role: m.Role, Content: m.Content, Images: upright(m.Images), Thinking: m.Reasoning, ToolName: m.ToolName, ToolCallID: m.ToolCallID,
			ToolCalls: nativeCalls(m.ToolCalls),
		}
	}
	for _, t := range r.Tools {
		tool := chatTool{Type: "function", Function: chatFunction{Name: t.Name, Description: t.Description, Parameters: t.Parameters}}
		if t.Parameters == nil {
			tool.Function.Parameters = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		n.Tools = append(n.Tools, tool)
	}
	if r.Thinking != prompt.NoThinking {
		n.Think = string(r.Thinking)
	}
	if r.Logprobs != nil {
		n.Logprobs, n.TopLogprobs = true, *r.Logprobs
	}
	return n
}

// upright returns the images as people see them.
func upright(images [][]byte) [][]byte {
	if len(images) == 0 {
		return nil
	}
	turned := make([][]byte, len(images))
	for i, image := range images {
		turned[i] = prompt.Upright(image)
	}
	return turned
}

// answerFormat returns the format to which the server constrains the tokens of the answer.
func answerFormat(s *prompt.Structure) json.RawMessage {
	switch {
	case s == nil:
		return nil
	case s.Grammar() == nil:
		return json.RawMessage(`"json"`)
	default:
		return s.Grammar()
	}
}

func nativeCalls(calls []prompt.ToolCall) []chatCall {
	var native []chatCall
	for i, call := range calls {
		n := chatCall{ID: call.ID}
		n.Function.Index, n.Function.Name, n.Function.Arguments = i, call.Name, call.Arguments
		native = append(native, n)
	}
	return native
}

// generation returns the body of a request to /api/generate. Raw mode continues the prompt unchanged. A request with a
// suffix needs the model's template instead, because the template holds the fill-in format.
func (c *Client) generation(r *prompt.Request) *generateRequest {
	n := &generateRequest{
		Model: r.Model, Prompt: r.Messages[0].Content, Suffix: r.Suffix, Raw: r.Suffix == "", Options: c.options(r.Sampling),
	}
	if r.Logprobs != nil {
		n.Logprobs, n.TopLogprobs = true, *r.Logprobs
	}
	return n
}

// options sets every option that changes an answer. The defaults differ between the generations (repeat_penalty is 1.1
// in the old one and 1.0 in the new one), and the model's own parameters would apply to options that are absent.
func (c *Client) options(s prompt.Sampling) map[string]any {
	seed := int64(-1) // a new seed for each request
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
	options["stop"] = append([]string{}, s.Stop...) // an empty list also overrides the model's own stop sequences
	return options
}

// answer converts a complete native response. It returns a *RequestError if the answer ended because the context was
// full: the answer reached neither the row's limit nor its natural end.
func (c *Client) answer(n *nativeAnswer, r *prompt.Request) (*Answer, error) {
	a := &Answer{
		Text:             n.Message.Content,
		Reasoning:        n.Message.Thinking,
		Logprobs:         n.Logprobs,
		FinishReason:     n.DoneReason,
		PromptTokens:     int(n.PromptEvalCount),
		CachedTokens:     min(int(n.CachedCount), int(n.PromptEvalCount)),
		CompletionTokens: int(n.EvalCount),
		Created:          n.CreatedAt,
		Timings: Timings{
			Total: n.TotalDuration, Load: n.LoadDuration, Prompt: n.PromptEvalDuration, Generation: n.EvalDuration,
		},
	}
	if r.Endpoint == prompt.Completions {
		a.Text = n.Response
	}
	for _, call := range n.Message.ToolCalls {
		a.ToolCalls = append(a.ToolCalls, prompt.ToolCall{ID: call.ID, Name: call.Function.Name, Arguments: arguments(call)})
	}
	if a.Reasoning != "" && len(a.ToolCalls) == 0 {
		a.Logprobs = afterReasoning(a.Logprobs, a.Text)
	}
	if a.FinishReason == "length" && a.CompletionTokens < r.Sampling.MaxTokens && a.PromptTokens+a.CompletionTokens >= c.runner.Context {
		return nil, &RequestError{
			Status: http.StatusBadRequest,
			Code:   CodeContextLength,
			Message: fmt.Sprintf("the answer was cut after %d tokens: the prompt has %d and the context length is %d: %s",
				a.CompletionTokens, a.PromptTokens, c.runner.Context, c.runner.contextHint()),
			PromptTokens: a.PromptTokens, CompletionTokens: a.CompletionTokens,
		}
	}
	if r.Logprobs != nil && len(a.Logprobs) == 0 && a.Text != "" {
		return nil, &RequestError{Status: http.StatusBadRequest, Code: CodeInvalidRequest,
			Message: "the row asks for logprobs, but the server returns none for this model"}
	}
	return a, nil
}

// arguments returns the arguments of a call. A server may omit an empty object.
func arguments(call chatCall) json.RawMessage {
	if a := call.Function.Arguments; len(a) > 0 && string(a) != "null" {
		return a
	}
	return json.RawMessage("{}")
}

package prompt

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
)

// A row without a body of its own, such as a line of text or a row of a table, is asked with the body of a chat.

// openAIChat is the body of a request to /v1/chat/completions. Options that nobody has set are left to the server.
type openAIChat struct {
	Model            string        `json:"model"`
	Messages         []bodyMessage `json:"messages"`
	MaxTokens        *int          `json:"max_tokens,omitempty"`
	Temperature      *float64      `json:"temperature,omitempty"`
	TopP             *float64      `json:"top_p,omitempty"`
	TopK             *int          `json:"top_k,omitempty"`
	Seed             *int64        `json:"seed,omitempty"`
	Stop             []string      `json:"stop,omitempty"`
	FrequencyPenalty float64       `json:"frequency_penalty,omitempty"`
	PresencePenalty  float64       `json:"presence_penalty,omitempty"`
	N                int           `json:"n,omitempty"`
	Logprobs         bool          `json:"logprobs,omitempty"`
	TopLogprobs      *int          `json:"top_logprobs,omitempty"`
	Effort           Effort        `json:"reasoning_effort,omitempty"`
	ResponseFormat   *bodyFormat   `json:"response_format,omitempty"`
	Tools            []bodyTool    `json:"tools,omitempty"`
}

type bodyMessage struct {
	Role       string     `json:"role"`
	Content    any        `json:"content"` // a string, or parts
	Reasoning  string     `json:"reasoning_content,omitempty"`
	ToolCalls  []bodyCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type bodyPart struct {
	Type  string     `json:"type"`
	Text  string     `json:"text,omitempty"`
	Image *bodyImage `json:"image_url,omitempty"`
}

type bodyImage struct {
	URL string `json:"url"`
}

type bodyCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"` // JSON
	} `json:"function"`
}

type bodyTool struct {
	Type     string `json:"type"`
	Function Tool   `json:"function"`
}

type bodyFormat struct {
	Type   string      `json:"type"`
	Schema *bodySchema `json:"json_schema,omitempty"`
}

type bodySchema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
}

// bodyOverhead is about the length of a body without the texts of its messages, in bytes.
const bodyOverhead = 256

// makeBody gives a chat its body. The server makes all answers of the row with one request.
func (r *Request) makeBody() {
	s := &r.Sampling
	b := openAIChat{
		Model: r.Model, Messages: make([]bodyMessage, len(r.Messages)),
		MaxTokens: unlessUnset(s.MaxTokens), Temperature: unlessUnset(s.Temperature), TopP: unlessUnset(s.TopP), TopK: unlessUnset(s.TopK),
		Seed: s.Seed, Stop: s.Stop, FrequencyPenalty: s.FrequencyPenalty, PresencePenalty: s.PresencePenalty,
		N: r.N, Logprobs: r.Logprobs != nil, TopLogprobs: r.Logprobs, Effort: r.Thinking,
	}
	length := bodyOverhead
	for i := range r.Messages {
		b.Messages[i] = bodyMessageOf(&r.Messages[i])
		length += len(r.Messages[i].Content) * 9 / 8 // with some escapes
	}
	for _, t := range r.Tools {
		b.Tools = append(b.Tools, bodyTool{"function", t})
	}
	if r.Structure != nil {
		b.ResponseFormat = formatOf(r.Structure)
	}
	r.Body, r.N = encodedInto(make([]byte, 0, length), b), 0
}

func unlessUnset[T int | float64](value T) *T {
	if value == Unset {
		return nil
	}
	return &value
}

func bodyMessageOf(m *Message) bodyMessage {
	b := bodyMessage{Role: m.Role, Content: m.Content, Reasoning: m.Reasoning, ToolCallID: m.ToolCallID}
	if len(m.Images) > 0 {
		var parts []bodyPart
		for _, image := range m.Images {
			url := "data:" + http.DetectContentType(image) + ";base64," + base64.StdEncoding.EncodeToString(image)
			parts = append(parts, bodyPart{Type: "image_url", Image: &bodyImage{url}})
		}
		if m.Content != "" {
			parts = append(parts, bodyPart{Type: "text", Text: m.Content})
		}
		b.Content = parts
	}
	for _, call := range m.ToolCalls {
		c := bodyCall{ID: call.ID, Type: "function"}
		c.Function.Name, c.Function.Arguments = call.Name, string(call.Arguments)
		b.ToolCalls = append(b.ToolCalls, c)
	}
	if m.Content == "" && len(b.ToolCalls) > 0 {
		b.Content = nil
	}
	return b
}

func formatOf(s *Structure) *bodyFormat {
	if s.Schema == nil {
		return &bodyFormat{Type: "json_object"}
	}
	return &bodyFormat{Type: "json_schema", Schema: &bodySchema{"answer", s.Schema}}
}

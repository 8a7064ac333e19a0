package ollama

import (
	"encoding/hex"
	"fmt"
	"time"

	"fluxworker/worker/prompt"
)

// Completion is an answer in OpenAI's format: a chat.completion, or a text_completion for a completions row.
type Completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"` // seconds since 1970
	Model   string   `json:"model"`
	Choices []Choice `json:"choices"`
	Usage   Usage    `json:"usage"`
	Timings millis   `json:"timings"`
}

// Choice is one answer. Either Message or Text is set, depending on the endpoint.
type Choice struct {
	Index        int      `json:"index"`
	Message      *Message `json:"message,omitempty"`
	Text         *string  `json:"text,omitempty"`
	Logprobs     any      `json:"logprobs"`
	FinishReason string   `json:"finish_reason"`
}

// Message is the assistant's message. Content is null if the message has only tool calls.
type Message struct {
	Role    string  `json:"role"`
	Content *string `json:"content"`
	// Refusal is always null: a model of Ollama's refuses in words, in Content. OpenAI's schema demands the field.
	Refusal *string `json:"refusal"`
	// Reasoning extends OpenAI's schema; most servers of open models use this name.
	Reasoning string `json:"reasoning_content,omitempty"`
	ToolCalls []Call `json:"tool_calls,omitempty"`
}

// Call is a tool call.
type Call struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"` // JSON
	} `json:"function"`
}

// Usage holds the server's token counts.
type Usage struct {
	PromptTokens     int            `json:"prompt_tokens"`
	CompletionTokens int            `json:"completion_tokens"`
	TotalTokens      int            `json:"total_tokens"`
	Prompt           *PromptDetails `json:"prompt_tokens_details,omitempty"`
	Details          *UsageDetails  `json:"completion_tokens_details,omitempty"`
}

// PromptDetails is present if the slot had read a part of the prompt already.
type PromptDetails struct {
	CachedTokens int `json:"cached_tokens"`
}

// UsageDetails is present if the model did reasoning.
type UsageDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"` // an estimate
}

// millis holds the server's durations in milliseconds. It extends OpenAI's schema.
type millis struct {
	Total      float64 `json:"total_ms"`
	Load       float64 `json:"load_ms"`
	Prompt     float64 `json:"prompt_ms"`
	Generation float64 `json:"generation_ms"`
}

// Body returns the response body for a row in OpenAI's format. Answers holds at least one answer, in order. Ids are
// made from the row's key.
func Body(row prompt.Row, answers []*Answer) any {
	if own := answers[0].Body; own != nil {
		return own
	}
	if row.Request.Endpoint == prompt.Embeddings {
		return embeddingList(row, answers[0])
	}
	if row.Request.Endpoint == prompt.Responses {
		return asResponse(row, answers[0])
	}
	c := Completion{
		ID: "chatcmpl-", Object: "chat.completion",
		Created: answers[0].Created.Unix(), Model: row.Request.Model, Choices: make([]Choice, len(answers)),
	}
	if row.Request.Endpoint == prompt.Completions {
		c.ID, c.Object = "cmpl-", "text_completion"
	}
	c.ID += hex.EncodeToString(row.Key[:])
	for i, a := range answers {
		c.Choices[i] = a.choice(i, row)
		c.Usage.add(a)
		c.Timings.add(a.Timings)
	}
	return c
}

func (a *Answer) choice(i int, row prompt.Row) Choice {
	c := Choice{Index: i, FinishReason: a.FinishReason}
	if row.Request.Endpoint == prompt.Completions {
		text := a.Text
		if row.Request.Echo {
			text = row.Request.Messages[0].Content + text
		}
		c.Text = &text
		if row.Request.Logprobs != nil {
			c.Logprobs = textLogprobs(a.Logprobs, *row.Request.Logprobs)
		}
		return c
	}
	c.Message = &Message{Role: "assistant", Content: &a.Text, Reasoning: a.Reasoning, ToolCalls: a.calls(i, row.Key)}
	if row.Request.Logprobs != nil {
		c.Logprobs = chatLogprobs(a.Logprobs)
	}
	if len(a.ToolCalls) > 0 {
		if a.Text == "" {
			c.Message.Content = nil
		}
		if a.FinishReason == "stop" {
			c.FinishReason = "tool_calls"
		}
	}
	return c
}

// calls returns the tool calls of the answer at index. A call without an id gets one made from the row's key.
func (a *Answer) calls(index int, key prompt.Key) []Call {
	var calls []Call
	for i, call := range a.ToolCalls {
		c := Call{ID: call.ID, Type: "function"}
		if c.ID == "" {
			c.ID = fmt.Sprintf("call_%s_%d_%d", hex.EncodeToString(key[:]), index, i)
		}
		c.Function.Name, c.Function.Arguments = call.Name, string(call.Arguments)
		calls = append(calls, c)
	}
	return calls
}

// add adds an answer. The prompt is the same for all answers of a row and counts once, as in OpenAI's API.
func (u *Usage) add(a *Answer) {
	if u.TotalTokens == 0 && a.CachedTokens > 0 { // further answers find all of the prompt
		u.Prompt = &PromptDetails{a.CachedTokens}
	}
	u.PromptTokens = a.PromptTokens
	u.CompletionTokens += a.CompletionTokens
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	if a.Reasoning == "" {
		return
	}
	if u.Details == nil {
		u.Details = new(UsageDetails)
	}
	u.Details.ReasoningTokens += a.reasoningTokens()
}

func (m *millis) add(t Timings) {
	m.Total += ms(t.Total)
	m.Load += ms(t.Load)
	m.Prompt += ms(t.Prompt)
	m.Generation += ms(t.Generation)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// ErrorBody is OpenAI's error object: the body of a response with a 4xx status.
type ErrorBody struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
	// Completion holds the completed answer if the answer itself is at fault.
	Completion any `json:"completion,omitempty"`
}

// Body returns the error object for the row's line.
func (e *RequestError) Body() ErrorBody {
	var b ErrorBody
	b.Error.Message, b.Error.Type, b.Error.Code = e.Message, "invalid_request_error", e.Code
	return b
}

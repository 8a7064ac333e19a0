package ollama

import (
	"encoding/hex"
	"fmt"
	"time"

	"fluxworker/worker/prompt"
)

// Completion is an answer as OpenAI's API gives it: a chat.completion, or a text_completion for a completions row.
type Completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"` // seconds since 1970
	Model   string   `json:"model"`
	Choices []Choice `json:"choices"`
	Usage   Usage    `json:"usage"`
	Timings millis   `json:"timings"`
}

// Choice is one answer; Message or Text is set, as the endpoint wants it.
type Choice struct {
	Index        int      `json:"index"`
	Message      *Message `json:"message,omitempty"`
	Text         *string  `json:"text,omitempty"`
	Logprobs     any      `json:"logprobs"`
	FinishReason string   `json:"finish_reason"`
}

// Message is the assistant's turn. Its content is null where it only calls tools.
type Message struct {
	Role    string  `json:"role"`
	Content *string `json:"content"`
	// Reasoning is an addition to OpenAI's schema, under the name that most servers of open models have given it.
	Reasoning string `json:"reasoning_content,omitempty"`
	ToolCalls []Call `json:"tool_calls,omitempty"`
}

// Call is a call of a tool.
type Call struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"` // JSON
	} `json:"function"`
}

// Usage counts tokens as the server counted them.
type Usage struct {
	PromptTokens     int           `json:"prompt_tokens"`
	CompletionTokens int           `json:"completion_tokens"`
	TotalTokens      int           `json:"total_tokens"`
	Details          *UsageDetails `json:"completion_tokens_details,omitempty"`
}

// UsageDetails are there where the model thought.
type UsageDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"` // an estimate
}

// millis is an addition to OpenAI's schema: the server's own times in milliseconds.
type millis struct {
	Total      float64 `json:"total_ms"`
	Load       float64 `json:"load_ms"`
	Prompt     float64 `json:"prompt_ms"`
	Generation float64 `json:"generation_ms"`
}

// Body renders the answers for the row they belong to, in order; there is at least one. Ids come from the row's key.
func Body(row prompt.Row, answers []*Answer) any {
	if row.Request.Endpoint == prompt.Embeddings {
		return embeddingList(row, answers[0])
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

// calls renders the calls of the answer with an index. A call whose server gave it no id gets one of the row's key.
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

// add counts an answer. The prompt of all is the same, and counts once, as it does for OpenAI.
func (u *Usage) add(a *Answer) {
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

// ErrorBody is OpenAI's error object, the body of an answer with a status code of 4xx.
type ErrorBody struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
	// Completion keeps what was answered, where the answer itself is at fault.
	Completion any `json:"completion,omitempty"`
}

// Body renders the error for the row's line.
func (e *RequestError) Body() ErrorBody {
	var b ErrorBody
	b.Error.Message, b.Error.Type, b.Error.Code = e.Message, "invalid_request_error", e.Code
	return b
}
